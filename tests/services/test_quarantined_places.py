"""A version is quarantined: what is said of it in each place is what it has there, by whomever and
whatever it was quarantined.
"""

from __future__ import annotations

from typing import Any

from bot.domain.catalog import AutomaticRollback, EnvironmentPolicy
from bot.domain.commands import Cancel, Deploy, HandOver, Quarantine, RollBack
from bot.domain.deployment import State
from bot.slack import speech
from tests.services.conftest import BAD, MINUTE, readable, text_of

Team = Any
"""The fixture ``team``."""

ROLLING: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "",
    "watch": 20 * MINUTE, "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


def _beside(team: Team, name: str = "production-eu", **policy: Any) -> None:
    """Add an environment to which the same versions go."""
    team.context.catalog.services["shop"].environments[name] = EnvironmentPolicy(
        name,
        "canary",
        **{"watch": 20 * MINUTE, "automatic_rollback": AutomaticRollback.OFF, **policy},
    )


async def _alarms(team: Team, id: str) -> list[str]:
    """Give the alarms about a quarantine elsewhere as they are read now."""
    told = [
        each
        for each in await team.outbox()
        if each.template == "quarantined" and each.deployment == id
    ]
    drawn = [
        speech.message(each, team.words, card_channel="C1", card=await team.card(id))
        for each in told
    ]
    return [readable("\n".join(text_of(each.blocks))) for each in drawn]


async def _bad_in_two_places(team: Team) -> None:
    """Roll v2 out to a place from which one goes back, and to one where nothing was live
    before; it is worse in both.
    """
    _beside(team)
    await team.says("ana", Deploy("shop", "production-eu", "v2"))
    await team.passes(MINUTE)
    await team.says("ana", Deploy("shop", "production", "v2"))
    team.numbers.new = BAD
    await team.passes(12 * MINUTE)


async def test_after_a_rollback_the_alarm_says_what_the_version_has_elsewhere_and_who_can_stop_it(
    team_with: Any,
) -> None:
    async with team_with(**ROLLING) as team:
        await _bad_in_two_places(team)
        await team.says("bo", RollBack(deployment="shop-2", reason="carts"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-2")).state is State.ROLLED_BACK
        (said,) = await _alarms(team, "shop-1")
        assert "Nothing of it has been started" not in said
        assert "In production-eu it has 5 % of the requests; it goes no further by itself." in said
        assert (
            "<@UBO> decides on the card: stop it where it is, or have the quarantine lifted" in said
        )


async def test_after_a_stop_the_alarm_says_that_the_version_can_be_rolled_back_elsewhere_and_names_the_stop(
    team_with: Any,
) -> None:
    async with team_with(**ROLLING) as team:
        await _bad_in_two_places(team)
        await team.says("bo", Cancel("shop-1"))
        (said,) = await _alarms(team, "shop-2")
        assert "In production it has 5 % of the requests; it goes no further by itself." in said
        assert "<@UBO> decides on the card: roll it back, or have the quarantine lifted" in said


async def test_what_is_rolled_back_already_is_not_told_to_be_under_way(team_with: Any) -> None:
    async with team_with(**ROLLING) as team:
        await _bad_in_two_places(team)
        await team.says("bo", RollBack(deployment="shop-2", reason="carts"))
        await team.says("bo", Cancel("shop-1"))
        assert (await team.deployment("shop-2")).state is State.ROLLING_BACK
        assert await _alarms(team, "shop-2") == []


async def test_the_answer_to_a_quarantine_has_a_line_for_each_place(team_with: Any) -> None:
    async with team_with(**ROLLING) as team:
        await _bad_in_two_places(team)
        said = (await team.says("bo", Quarantine("shop", "v2", "carts"))).split("\n")
        there = "it has 5 % of the requests; it goes no further by itself."
        assert said == [
            (
                "*v2* of shop is quarantined: carts. It is not deployed any more, and "
                "nothing goes back to it."
            ),
            f"• In production-eu {there} <@UBO> can stop it where it is: /deploy cancel shop-1",
            (
                f"• In production {there} <@UBO> can roll it back: /rollback "
                "shop production because TEXT"
            ),
            "Lift it with /deploy unquarantine shop v2 because TEXT.",
        ]
        (told,) = [each for each in await team.said("quarantine_said") if "production-eu" in each]
        assert "Nothing goes back to it. In production-eu it has 5 % of the requests" in told


async def test_the_thread_of_what_is_live_elsewhere_names_the_stop_as_what_put_it_in_quarantine(
    team_with: Any,
) -> None:
    async with team_with(**ROLLING) as team:
        _beside(team, "production-us", watch=2 * MINUTE)
        await team.says("ana", Deploy("shop", "production-us", "v2"))
        await team.passes(40 * MINUTE)
        await _bad_in_two_places(team)
        await team.says("bo", Cancel("shop-2"))
        assert any(
            "The stop of shop-2 by <@UBO> put *v2* in quarantine" in each
            for each in await team.said("quarantine_said")
        )


async def test_whoever_takes_the_lead_reads_what_they_alone_can_do(team_with: Any) -> None:
    async with team_with(**ROLLING) as team:
        await _bad_in_two_places(team)
        eu, production = "*shop v2 → production-eu*", "*shop v2 → production*"
        told = await team.says("bo", HandOver("shop-1", "UCY"))
        assert (
            told == f"<@UCY> leads {eu} now and alone can stop it where it is; no button goes back."
        )
        assert (
            await team.says("bo", HandOver("shop-2", "UCY"))
            == f"<@UCY> leads {production} now and alone can roll it back."
        )
        await team.says("bo", Quarantine("shop", "v2", "carts"))
        card = await team.shown("shop-1")
        assert "quarantined" in card
        assert "Its lead can stop it where it is (/deploy cancel shop-1)." in card
