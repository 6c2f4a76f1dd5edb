"""A moment is written in one way: Slack shows it as the reader's clock and calendar have it, and
where Slack translates nothing only the time is said of what is of today.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.domain import plain
from bot.domain.commands import Deploy
from bot.domain.deployment import State
from bot.ports.talk import Intent, Place
from bot.slack import filters, speech
from bot.slack.cards import deployment_card
from bot.slack.render import Words
from tests.services.conftest import MINUTE, PEOPLE, Team, text_of

AT = datetime(2026, 11, 21, 2, 12, tzinfo=UTC)
TOKEN = f"<!date^{int(AT.timestamp())}^{{date_short_pretty}} {{time}}|2026-11-21 02:12 UTC>"
SOLO = {"gates": (), "checklist": (), "approvals": (), "after": "", "strategy": "canary"}


@pytest.mark.parametrize(
    "written", ["began 2026-11-21 02:12 UTC: errors", "began on 2026-11-21 at 02:12 UTC: errors"]
)
@pytest.mark.parametrize("printed", [filters.shown, filters.note, filters.sentence])
def test_a_moment_in_a_sentence_is_shown_as_slack_shows_any_other(
    written: str, printed: Any
) -> None:
    assert printed(written) == f"began {TOKEN}: errors"


@pytest.mark.parametrize("text", ["2026-02-31 02:12 UTC", "2026-11-21 25:12 UTC", "2026-11-21"])
def test_what_is_no_moment_stays_as_it_was_written(text: str) -> None:
    assert filters.shown(text) == text


def test_nothing_foreign_gets_into_what_slack_translates() -> None:
    assert filters.shown("<!date^1^{time}|x> 2026-11-21 02:12 UTC>") == (
        f"&lt;!date^1^{{time}}|x&gt; {TOKEN}&gt;"
    )
    linked = filters.link("2026-11-21 02:12 UTC", "https://ci.example.com/7")
    assert linked == "<https://ci.example.com/7|2026-11-21 02:12 UTC>"


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (None, "2026-11-21 02:12 UTC"),
        (AT + timedelta(hours=20), "02:12 UTC"),
        (AT + timedelta(hours=22), "2026-11-21 02:12 UTC"),
        (AT - timedelta(hours=3), "2026-11-21 02:12 UTC"),
    ],
)
def test_of_a_moment_of_today_only_the_time_is_written_where_nothing_translates_it(
    now: datetime | None, says: str
) -> None:
    assert plain.moment(AT, today=now) == says


async def question(team: Team, id: str) -> str:
    """Read what the button that rolls back asks."""
    card = deployment_card(await team.card(id), team.words)
    buttons = [each for block in card.blocks for each in block.get("elements", [])]
    return next(
        str(each["confirm"]["text"]["text"])
        for each in buttons
        if "Roll back" in json.dumps(each) and "confirm" in each
    )


async def test_the_question_before_a_rollback_says_of_today_only_the_time_while_its_card_moves(
    team_with: Any,
) -> None:
    async with team_with(**SOLO) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        assert "Verified good 02:00 UTC." in await question(team, "shop-1")
        await team.passes(60 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.VERIFIED
        asked = await question(team, "shop-1")
        assert "Verified good 2026-11-21 02:00 UTC." in asked, "it stays so for days"


async def test_why_a_version_is_quarantined_says_since_when_in_the_readers_own_time(
    team_with: Any,
) -> None:
    async with team_with(**SOLO) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        async with team.database.store.transaction() as tx:
            await tx.put_in_quarantine(
                "shop", "b" * 40, reason=f"it began {plain.moment(AT)}: errors",
                by=PEOPLE["bo"], at=AT,
            )  # fmt: skip
        intent = Intent(
            "again", Deploy("shop", "production", "v2"), PEOPLE["ana"], Place("C2"),
            team.context.now(),
        )  # fmt: skip
        answer = await use_cases.carry_out(team.context, intent)
        assert answer is not None
        said = "\n".join(text_of(speech.answer(answer, team.words).blocks))
        assert f"v2 is quarantined: it began {TOKEN}: errors" in said


def test_a_dialog_in_which_slack_translates_nothing_has_no_mark_of_it() -> None:
    words = Words(now=lambda: AT)
    text = words.plain_line(
        "home/closed", {"sentence": "it began 2026-11-21 02:12 UTC: errors"}, 300
    )
    assert text == "it began 2026-11-21 02:12 UTC: errors"
