"""As long as it is unclear what runs somewhere, every sentence about that
place looks, and says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Check, Deploy, History, RollBack, SayLive, Status
from bot.domain.declared import Declared, Origin
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.live import Live
from bot.ports.store import Restored
from bot.services import restoring, summaries, unseen
from bot.services.passing import There
from tests.services.conftest import COMMITS, PEOPLE

Team = Any
"""The fixtures ``team`` and ``swift``."""
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.case("reliability-7")
WHY = "the database was put back from a copy of 2026-11-21 02:"


async def restored(team: Team) -> None:
    """Put the database back from a copy in which v2 is verified in production."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(4 * MINUTE)
    await restoring.notice(team.context, Restored(7, 9, team.context.now()), ["C0OPS"])


async def test_what_the_database_says_is_live_is_not_live_already(swift: Team) -> None:
    await restored(swift)
    assert "already" not in await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    assert f"it is unclear what runs: {WHY}" in await swift.shown("shop-2")
    assert (await swift.deployment("shop-2")).state is State.GATED, (
        "and it waits until somebody has said what is there"
    )


async def test_the_cards_first_line_does_not_say_that_it_is_live_and_healthy(swift: Team) -> None:
    await restored(swift)
    shown = await swift.shown("shop-1")
    assert (
        "*UNCLEAR* what runs in production; recorded last as live since 2026-11-21 02:0"
        in shown.splitlines()[0]
    )
    assert "live and healthy" not in shown
    assert f"It is unclear what runs in production: {WHY}" in shown


async def test_the_typed_rollback_says_it_before_it_offers_anything(swift: Team) -> None:
    await restored(swift)
    said = await swift.says("bo", RollBack("shop", "production", reason="y"))
    assert said.startswith(f"*It is unclear what runs* in shop production: {WHY}")
    assert "Recorded last: v2. Rolling back puts v1 there whatever runs." in said


async def test_what_was_rolled_back_to_is_not_live_again_then(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await swift.says("bo", RollBack(deployment="shop-1", reason="errors"))
    await swift.passes(4 * MINUTE)
    assert "v1 is live again since" in await swift.shown("shop-1")
    await restoring.notice(swift.context, Restored(7, 9, swift.context.now()), ["C0OPS"])
    shown = await swift.shown("shop-1")
    assert "It is unclear what runs in production; recorded last: v1 since" in shown
    assert "v1 is live again" not in shown


async def test_status_check_and_history_say_it(swift: Team) -> None:
    await restored(swift)
    assert "*unclear what runs*, recorded last: v2" in await swift.says("ana", Status())
    checked = await swift.says("ana", Check("shop", "production", "v3"))
    assert f"It is unclear what runs in production: {WHY}" in checked
    assert "What changes is compared with what was recorded last." in checked
    assert f"It is *unclear what runs* in production: {WHY}" in await swift.says(
        "ana", History("shop", "production")
    )


async def test_the_summaries_say_it_in_their_first_line(swift: Team) -> None:
    await restored(swift)
    await summaries.after_deployment(swift.context, "shop-1")
    await summaries.morning(swift.context, swift.context.now())
    (summary,), (morning,) = await swift.said("summary"), await swift.said("morning_summary")
    assert "*UNCLEAR* what runs in production now, before that healthy" in summary.splitlines()[0]
    assert "what runs in shop production is *UNCLEAR*." in morning.splitlines()[0]


async def test_nothing_is_verified_before_an_environment_of_which_nobody_knows_what_runs(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes(10 * MINUTE)
    assert "✓ live and verified on staging" in await team.says(
        "ana", Check("shop", "production", "v2")
    )
    await restoring.notice(team.context, Restored(7, 9, team.context.now()), ["C0OPS"])
    checked = await team.says("ana", Check("shop", "production", "v2"))
    assert f"? live and verified on staging: it is unclear what runs on staging: {WHY}" in checked


@pytest.mark.parametrize(
    ("metrics", "is_known_from_before", "is_still_there"),
    [
        ("see it", False, True),
        ("see none of it", True, False),
        ("are silent", False, False),
        ("are silent", True, True),
    ],
)
async def test_a_version_counts_as_running_still_if_it_is_seen_or_was_seen_before_and_nothing_says_that_it_is_gone(
    swift: Team, metrics: str, *, is_known_from_before: bool, is_still_there: bool
) -> None:
    if metrics == "are silent":
        swift.numbers.breaks = IntegrationError("no answer", vendor="the metrics")
    swift.numbers.gone = {COMMITS["v2"]} if metrics == "see none of it" else set()
    before = frozenset({COMMITS["v2"]} if is_known_from_before else ())
    found = await unseen.still_seen(
        swift.context,
        "shop",
        "production",
        unseen.Asked((There(COMMITS["v2"], "v2"),), before),
        COMMITS["v1"],
    )
    assert [each.is_told for each in found] == ([metrics == "see it"] if is_still_there else [])


@pytest.mark.parametrize("origin", Origin)
async def test_what_is_live_on_a_word_can_be_corrected_by_another_and_what_an_operator_adopted_cannot(
    swift: Team, origin: Origin
) -> None:
    place, now = ("shop", "production"), swift.context.now()
    word = Declared(*place, COMMITS["v2"], "v2", origin, PEOPLE["bo"], now, "I looked")
    async with swift.database.store.transaction() as tx:
        await tx.set_live(
            Live(*place, COMMITS["v2"], "v2", now, "", PEOPLE["bo"], now, declared=word)
        )
    shown = await swift.says("bo", SayLive(*place, "v1", "I looked again"))
    assert (", on the word of <@UBO>" in shown) is (origin is Origin.SAID)
    assert ("nobody's word is needed" in shown) is (origin is not Origin.SAID)
