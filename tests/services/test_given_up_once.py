"""A rollback that was given up, and one that follows it: each fact is told once, with its
meaning, and stays true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.domain.actions import Action
from bot.domain.commands import Cancel, History, RollBack, SayLive, SayWhy, Unquarantine
from bot.domain.health import Observed
from bot.domain.rollout import RunState
from bot.services.endings import ended
from bot.services.timely import still_true
from tests.services.conftest import MINUTE
from tests.services.test_hanging import ALONE, gives_up, hangs, rolls_back
from tests.services.test_stopping import OPEN, goes_bad_with_no_way_back

if TYPE_CHECKING:
    from bot.ports.talk import Message

WORSE = Observed(990, 1000, requests=1000)


async def _message(team: Any, template: str) -> Message:
    found: Message = [each for each in await team.outbox() if each.template == template][-1]
    return found


async def _ends(team: Any, template: str) -> str:
    """Read a message as its end has it."""
    message = await _message(team, template)
    end = await ended(team.context, message)
    assert end is not None
    now = await still_true(team.context, message)
    facts = {**message.facts, **end.facts, "end": end.sentence}
    said: str = team.reads(
        type(message)(message.key, message.template, facts, message.deployment, to=message.to)
    )
    assert now is None or team.reads(now) == said
    return said


async def test_how_long_a_rollback_took_counts_from_when_it_was_asked_for_first_and_says_what_came_to_nothing(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        team.ci.ends.clear()
        await team.rolls_back("bo", RollBack("shop", "production", reason="again"))
        await team.passes(5 * MINUTE)
        (told,) = await team.said("rolled_back")
        assert (
            "after <@UBO> asked for it first; the first rollback was given up. Reason: again"
            in told
        )
        assert "is rolled back to *v1*, 12 min" in told
        headline = (await team.shown("shop-1")).split("\n")[0]
        assert "rolled back to v1 by <@UBO>, 12 min" in headline
        assert headline.endswith("after that was asked for first; the first rollback was given up")


async def test_what_is_said_of_giving_up_is_said_once_on_the_card_with_the_commands_and_the_timeline(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        await team.passes(MINUTE)
        shown = await team.shown("shop-1")
        assert shown.count("up after 12 min") == 1
        assert "was given up" not in shown
        assert "has given it up" not in shown
        assert (
            "until it is rolled back (/rollback shop production because TEXT), or somebody "
            "says what is live (/deploy live"
        ) in shown
        assert Action.SHOW_TIMELINE in (await team.card("shop-1")).actions
        assert (
            "has taken longer than it should; its lead was called."
            in (await team.said("rollback_late"))[0]
        )
        assert (
            "gave the rollback to *v1* (shop-2) up, 12 min after it was asked for. Reason: frozen"
            in (await team.said("rollback_given_up"))[0]
        )
        (drafted,) = await team.said("retrospective")
        assert (
            "*shop v2 → production* failed, and its rollback to v1 was given up: frozen" in drafted
        )
        assert "the rollback was given up by UBO" in drafted


async def test_the_history_says_how_it_was_and_who_gave_its_rollback_up(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        back, forward, *_ = (await team.says("ana", History("shop", "production"))).split("\n")[2:]
        assert (
            "asked for and given up by <@UBO> (shop-2, undoes shop-1): "
            "errors · why given up: frozen"
        ) in back
        assert "· *DEGRADED*: errors 90 %" in forward
        assert (
            "; its rollback was given up by <@UBO> · asked for by <@UANA> "
            "(shop-1) · why given up: frozen"
        ) in forward


async def test_the_dialog_over_a_rollback_that_hangs_says_what_the_word_does_and_the_answer_before_what_comes_then(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        said = await team.says("bo", Cancel("shop-2"))
        assert (
            "the channel is told; then <@UBO>, its lead, can give it up: /rollback shop "
            "production because TEXT."
        ) in said
        await team.passes(12 * MINUTE)
        shown = await team.says("bo", SayLive("shop", "production", "v1", "by hand"))
        assert "the rollback of shop-1 to v1, hangs; your word gives it up." in shown


async def test_a_reason_given_later_reaches_the_retrospective_and_the_quarantine(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        assert await ended(team.context, await _message(team, "retrospective")) is None
        await team.says("bo", SayWhy("shop-1", "carts are lost"))
        drafted = await _ends(team, "retrospective")
        assert "*shop v2 → production* was stopped at 5 %: carts are lost" in drafted
        assert "why it was stopped, by UBO: carts are lost" in drafted
        async with team.database.store.reading() as reader:
            assert (await reader.quarantine("shop", "b" * 40)).endswith("; carts are lost")


async def test_the_word_that_something_was_stopped_says_when_its_quarantine_is_lifted(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        now = await still_true(team.context, await _message(team, "stopped"))
        assert now is not None
        assert "It is quarantined." in team.reads(now)
        await team.says("bo", Unquarantine("shop", "v2", "it was the network"))
        now = await still_true(team.context, await _message(team, "stopped"))
        assert now is not None
        assert "It was quarantined; that is lifted." in team.reads(now)


async def test_an_alarm_that_has_ended_keeps_the_last_numbers_that_it_was_for(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        assert "errors 6.0 %" in team.reads(await _message(team, "degraded"))
        team.numbers.new = Observed(70, 1000, requests=1000)
        await team.passes(3 * MINUTE)
        await team.says("bo", Cancel("shop-1"))
        end = await ended(team.context, await _message(team, "degraded"))
        assert end is not None
        assert "errors 7.0 %" in str(end.facts["snapshot"])


async def test_the_quarantine_of_what_was_rolled_back_names_the_worst_that_was_seen_of_it(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.numbers.new = Observed(300, 1000, requests=1000)
        await rolls_back(team, RunState.RUNNING)
        async with team.database.store.transaction() as tx:
            await tx.set_reason("shop-2", "")
        team.numbers.new = WORSE
        await team.passes(3 * MINUTE)
        team.ci.ends.clear()
        await team.passes(5 * MINUTE)
        async with team.database.store.reading() as reader:
            assert "errors 99 %" in await reader.quarantine("shop", "b" * 40)
