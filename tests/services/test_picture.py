"""A word about numbers is for the picture that was shown: what gets worse while nobody has answered
joins it, and is never hidden by it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback, MetricKind, MetricSpec
from bot.domain.commands import Deploy, Lock, Proceed, Status, StopCountdown, TakeOver, Unlock
from bot.domain.deployment import State
from bot.domain.errors import NotPossible
from bot.domain.health import Observed
from bot.domain.shown import seen_on, token
from bot.ports.talk import Asked, Message
from bot.services import endings, timely
from bot.services.asked import asked
from bot.services.leading import may_proceed
from bot.slack import ids
from bot.slack.dialogs import Dialogs
from bot.slack.render import Words
from tests.services.conftest import BAD, GOOD, MINUTE, PEOPLE, text_of

Team = Any
"""The fixture ``team_with``."""
FREE: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "automatic_rollback": AutomaticRollback.OFF,
}
BOTH = (
    MetricSpec("errors", "errors", MetricKind.RATIO, unit="%"),
    MetricSpec("refunds", "refunds", MetricKind.RATIO, unit="%"),
)
WORSE_BY_HALF = Observed(95, 1000, requests=1000)


@pytest.fixture
def degraded_with(team_with: Any) -> Any:
    """Give a team whose v2 is degraded at 5 % in errors, while refunds are good."""

    @asynccontextmanager
    async def begin(**production: Any) -> AsyncIterator[Team]:
        async with team_with(**{**FREE, **production}) as team:
            shop = team.context.catalog.services["shop"]
            team.context.catalog.services["shop"] = replace(shop, metric_specs=BOTH)
            team.numbers.besides["refunds"] = GOOD
            await team.says("ana", Deploy("shop", "production", "v2"))
            await team.passes(2 * MINUTE)
            team.numbers.new = BAD
            await team.passes(MINUTE)
            yield team

    return begin


async def shown(team: Team, action: Action = Action.PROCEED) -> str:
    """Give what a button on the card stands for now."""
    return token(action, seen_on(await team.card("shop-1")))


async def alarms(team: Team) -> list[Message]:
    return [message for message in await team.outbox() if message.template == "degraded"]


def has_gone_to_100(team: Team) -> bool:
    return "shop-1:canary-100" in team.ci.runs


@pytest.mark.case("card-and-people-11")
async def test_what_gets_worse_before_anybody_has_answered_is_in_the_same_alarm_as_soon_as_on_the_card(
    degraded_with: Any,
) -> None:
    async with degraded_with() as team:
        (alarm,) = await alarms(team)
        team.numbers.besides["refunds"] = BAD
        await team.passes(MINUTE)
        assert "*worse*: refunds" in await team.shown("shop-1")
        assert len(await alarms(team)) == 1
        now = await timely.still_true(team.context, alarm)
        assert now is not None
        assert [each["verdict"] for each in now.facts["snapshot"]["findings"]] == [
            "degraded",
            "degraded",
        ]
        assert await endings.ended(team.context, now) is None, "it asks still"


@pytest.mark.case("races-14")
async def test_a_word_on_the_current_picture_stands_and_the_rollout_goes_on(
    degraded_with: Any,
) -> None:
    async with degraded_with() as team:
        team.numbers.besides["refunds"] = BAD
        await team.passes(MINUTE)
        assert "on your word" in await team.says(
            "bo", Proceed("shop-1", "known noise", await shown(team))
        )
        await team.passes(10 * MINUTE)
        assert has_gone_to_100(team)
        assert (
            len([alarm for alarm in await alarms(team) if alarm.facts["where"] == "canary-5"]) == 1
        )


@pytest.mark.case("card-and-people-1")
async def test_an_older_button_says_nothing_a_second_time(degraded_with: Any) -> None:
    async with degraded_with() as team:
        older = await shown(team)
        await team.says("bo", Proceed("shop-1", "known noise", older))
        said = await team.says("bo", Proceed("shop-1", "another reason", older))
        assert said == "You have let shop v2 → production go on over this already: known noise"
        assert len(await team.said("proceeds")) == 1


async def test_after_a_word_the_card_and_the_board_say_that_it_goes_on_and_ask_nobody(
    degraded_with: Any,
) -> None:
    async with degraded_with() as team:
        until = next(
            step.hold_until for step in (await team.card("shop-1")).steps if step.key == "canary-5"
        )
        said = await team.says("bo", Proceed("shop-1", "known noise", await shown(team)))
        assert (
            "goes on to 100 % on your word, once its time at 5 % is over "
            f"({until:%H:%M} UTC): known noise."
        ) in said
        assert (
            "if something else turns worse first, it stands still and you are asked about that"
            in said
        )
        card = await team.shown("shop-1")
        assert f"*DEGRADED* at 5 % · goes on, on the lead's word, at {until:%H:%M} UTC" in card
        assert "stands still" not in card
        assert Action.PROCEED not in (await team.card("shop-1")).actions
        assert "*DEGRADED* at 5 %, going on, on the lead's word" in await team.says("ana", Status())
        with pytest.raises(
            NotPossible,
            match="You have let shop v2 → production go on over this already: known noise",
        ):
            await may_proceed(team.context, PEOPLE["bo"], "shop-1")
        team.numbers.besides["refunds"] = BAD
        await team.passes(MINUTE)
        assert "the rollout stands still until the lead decides" in await team.shown("shop-1")
        assert Action.PROCEED in (await team.card("shop-1")).actions


async def test_no_dialog_asks_why_something_goes_on_that_nothing_keeps(degraded_with: Any) -> None:
    async with degraded_with() as team:
        await team.says("bo", Proceed("shop-1", "known noise", await shown(team)))
        await team.passes(10 * MINUTE)
        team.numbers.new = GOOD
        await team.passes(MINUTE)
        with pytest.raises(NotPossible, match="so there is nothing to let go on"):
            await may_proceed(team.context, PEOPLE["bo"], "shop-1")


@pytest.mark.parametrize("has_word", [False, True])
async def test_what_a_lock_kept_besides_is_asked_about_anew_only_where_a_word_had_been_given(
    degraded_with: Any, *, has_word: bool
) -> None:
    async with degraded_with() as team:
        if has_word:
            await team.says("bo", Proceed("shop-1", "known noise", await shown(team)))
        (first,) = await alarms(team)
        await team.says("bo", Lock("shop", "production", "a sale"))
        await team.passes(MINUTE)
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(MINUTE)
        assert len(await alarms(team)) == (2 if has_word else 1)
        ending = await endings.ended(team.context, first)
        anew = (
            "<@UBO> had let it go on: known noise. What kept it besides its numbers is over, so "
            "its numbers are asked about anew."
        )
        assert (ending.sentence if ending else "") == (anew if has_word else "")


@pytest.mark.case("card-and-people-1")
async def test_a_word_on_an_older_picture_is_refused_and_says_what_is_worse_since(
    degraded_with: Any,
) -> None:
    async with degraded_with() as team:
        older = await shown(team)
        team.numbers.besides["refunds"] = BAD
        await team.passes(MINUTE)
        refusal = await team.says("bo", Proceed("shop-1", "known noise", older))
        assert refusal.startswith(
            "It has got worse since that was shown to you: refunds 6.0 % (baseline 0.2 %, 30 times"
        )
        assert "errors" not in refusal
        assert refusal.endswith(
            "Nothing was done. Look at the card as it is now, and decide about that."
        )
        await team.passes(20 * MINUTE)
        assert not has_gone_to_100(team)
        assert "let it go on" not in await team.shown("shop-1")


@pytest.mark.case("races-14")
async def test_a_word_is_for_the_numbers_of_its_moment_and_not_for_those_that_the_alarm_began_with(
    degraded_with: Any,
) -> None:
    async with degraded_with() as team:
        team.numbers.new = WORSE_BY_HALF
        await team.passes(MINUTE)
        await team.says("bo", Proceed("shop-1", "known noise", await shown(team)))
        await team.passes(10 * MINUTE)
        assert has_gone_to_100(team)


@pytest.mark.case("races-14")
async def test_numbers_that_are_half_as_bad_again_are_another_picture(degraded_with: Any) -> None:
    async with degraded_with() as team:
        older = await shown(team)
        team.numbers.new = WORSE_BY_HALF
        await team.passes(MINUTE)
        assert len(await alarms(team)) == 1
        assert "worse since that was shown to you: errors 9.5 %" in await team.says(
            "bo", Proceed("shop-1", "known noise", older)
        )


@pytest.mark.case("races-14")
async def test_what_gets_worse_after_a_word_stands_still_again_and_everything_says_so(
    degraded_with: Any,
) -> None:
    async with degraded_with() as team:
        older = await shown(team)
        await team.says("bo", Proceed("shop-1", "known noise"))
        (first,) = await alarms(team)
        team.numbers.besides["refunds"] = BAD
        await team.passes(20 * MINUTE)
        assert not has_gone_to_100(team)
        card = await team.shown("shop-1")
        assert "the rollout stands still until the lead decides" in card
        assert (
            "let it go on from 5 %: known noise · something else was found since, "
            "and it stands still again"
        ) in card
        (said,) = await team.said("word_outdated")
        assert said.startswith(
            "Something else was found since <@UBO> let *shop v2 → production* go on (known "
            "noise), so that it stands still again"
        )
        assert "*worse*: refunds 6.0 %" in said
        assert len(await alarms(team)) == 2
        end = await endings.ended(team.context, first)
        assert end is not None
        assert (
            end.sentence
            == "<@UBO> let it go on: known noise. Something else was found since; it is said anew."
        )
        refusal = await team.says("bo", Proceed("shop-1", "known noise", older))
        assert refusal.startswith("What keeps it now is not what was shown to you: errors 6.0 %")
        assert "refunds 6.0 %" in refusal


@pytest.mark.case("races-14")
async def test_a_stop_stops_the_countdown_that_was_shown_and_what_got_worse_since_is_said_with_one_of_its_own(
    degraded_with: Any,
) -> None:
    async with degraded_with(automatic_rollback=AutomaticRollback.COUNTDOWN) as team:
        older = await shown(team, Action.STOP_COUNTDOWN)
        team.numbers.besides["refunds"] = BAD
        await team.passes(MINUTE)
        assert "is stopped" in await team.says("bo", StopCountdown("shop-1", "a test", older))
        await team.passes(MINUTE)
        assert len(await alarms(team)) == 2
        until = (await team.deployment("shop-1")).countdown_until
        assert until is not None
        assert until - team.context.now() >= 4 * MINUTE
        await team.says(
            "bo", StopCountdown("shop-1", "a test", await shown(team, Action.STOP_COUNTDOWN))
        )
        await team.passes(20 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT
        assert await team.said("word_outdated") == [], "nobody has let it go on"


@pytest.mark.case("races-21")
async def test_what_a_word_does_not_cover_names_the_countdown_that_begins_with_it(
    degraded_with: Any,
) -> None:
    async with degraded_with(automatic_rollback=AutomaticRollback.COUNTDOWN) as team:
        await team.says("bo", Proceed("shop-1", "known noise"))
        team.numbers.besides["refunds"] = BAD
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).countdown_until is not None
        (said,) = await team.said("word_outdated")
        assert "(known noise), so that it stands still again. It rolls back by itself at" in said
        assert "until the lead decides" not in said


async def test_numbers_that_are_missing_for_a_moment_have_not_recovered(degraded_with: Any) -> None:
    async with degraded_with() as team:
        await team.says("bo", Proceed("shop-1", "known noise"))
        team.numbers.new = None
        team.numbers.besides.clear()
        await team.passes(2 * MINUTE)
        team.numbers.new, team.numbers.besides["refunds"] = BAD, GOOD
        await team.passes(10 * MINUTE)
        assert has_gone_to_100(team), "the word is for the same finding still"
        assert (
            len([alarm for alarm in await alarms(team) if alarm.facts["where"] == "canary-5"]) == 1
        )


def dialog(action: Action, about: Asked) -> str:
    view = Dialogs(Words()).reason_form(
        action, about.deployment.title, ids.Carried(about.deployment.id), about.facts
    )
    return "\n".join(text_of(view["blocks"][:-1]))


@pytest.mark.case("card-and-people-1")
async def test_the_dialog_of_a_word_names_the_step_the_numbers_and_where_it_goes_and_stands_for_them(
    degraded_with: Any,
) -> None:
    async with degraded_with() as team:
        team.numbers.besides["refunds"] = BAD
        await team.passes(MINUTE)
        about = await asked(team.context, Action.PROCEED, "shop-1")
        text = dialog(Action.PROCEED, about)
        assert (
            "*shop v2 → production* is at 5 %, and its numbers are *worse* than the old "
            "version at the same time:"
        ) in text
        assert "*worse*: errors 6.0 % (baseline 0.2 %, 30 times" in text
        assert "*worse*: refunds 6.0 %" in text
        assert "It goes on to 100 % on your word all the same." in text
        assert about.shown == await shown(team)
        assert "on your word" in await team.says(
            "bo", Proceed("shop-1", "known noise", about.shown)
        )


async def test_the_dialog_that_stops_a_countdown_shows_its_numbers_and_what_it_would_go_back_to(
    degraded_with: Any,
) -> None:
    async with degraded_with(automatic_rollback=AutomaticRollback.COUNTDOWN) as team:
        text = dialog(
            Action.STOP_COUNTDOWN, await asked(team.context, Action.STOP_COUNTDOWN, "shop-1")
        )
        assert "*worse*: errors 6.0 %" in text
        assert "*shop v2 → production* will not be rolled back to v1 by itself over this." in text


@pytest.mark.parametrize(
    ("strategy", "waits", "says"),
    [
        ("rolling", 4 * MINUTE, "is live, and its numbers are *worse*"),
        ("canary", 4 * MINUTE, "is at 5 %, and there is *no data*"),
    ],
)
async def test_the_dialog_of_a_word_in_a_watch_or_without_numbers_says_what_it_means(
    team_with: Any, strategy: str, waits: Any, says: str
) -> None:
    async with team_with(**FREE, strategy=strategy, watch=60 * MINUTE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(waits)
        team.numbers.new = BAD if strategy == "rolling" else None
        await team.passes(10 * MINUTE)
        text = dialog(Action.PROCEED, await asked(team.context, Action.PROCEED, "shop-1"))
        assert says in text
        assert ("never verified by this" in text) == (strategy == "rolling")


async def test_a_dialog_that_is_about_no_numbers_shows_its_button_s_own(degraded_with: Any) -> None:
    async with degraded_with() as team:
        assert await asked(team.context, Action.TAKE_OVER, "shop-1") == Asked(
            await team.deployment("shop-1")
        )
        await team.says("bo", Proceed("shop-1", "known noise"))
        team.numbers.new = GOOD
        await team.passes(MINUTE)
        assert await asked(team.context, Action.PROCEED, "shop-1") == Asked(
            await team.deployment("shop-1")
        ), "nothing is the matter any more"


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_names_the_lead_and_the_numbers_of_now_after_a_take_over(
    degraded_with: Any,
) -> None:
    async with degraded_with() as team:
        (alarm,) = await alarms(team)
        team.rota.person = PEOPLE["cy"]
        await team.says("cy", TakeOver("shop-1", "bo sleeps"))
        team.numbers.new = Observed(70, 1000, requests=1000)
        await team.passes(MINUTE)
        now = await timely.still_true(team.context, alarm)
        read = team.reads(now)
        assert "<@UCY>, please look." in read
        assert "errors 7.0 %" in read
