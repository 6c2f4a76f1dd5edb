"""After a rollback the version that is back is looked at for a while, and what its
numbers say is said once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.changes import Changes
from bot.domain.commands import Deploy, RollBack, SayLive, Unquarantine
from bot.domain.deployment import State
from bot.domain.health import Verdict
from bot.domain.live import Live
from bot.domain.outcomes import Went
from bot.domain.rollout import RunState
from bot.ports.talk import Ending
from bot.services import aftermath
from bot.services.endings import ended
from tests.services.conftest import BAD, COMMITS, GOOD, MINUTE, PEOPLE

Team = Any
"""The fixture ``team``."""


async def goes_back(team: Team) -> None:
    """Have v2 rolled back by shop-3."""
    v2 = await team.rolls_out_v2(2 * MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(timedelta(seconds=20))


@pytest.mark.parametrize(
    ("watch", "looked"), [(30 * MINUTE, 10 * MINUTE), (3 * MINUTE, 3 * MINUTE)]
)
async def test_what_is_back_is_looked_at_for_ten_minutes_or_for_a_shorter_watch(
    team_with: Any, watch: timedelta, looked: timedelta
) -> None:
    async with team_with(watch=watch) as team:
        await goes_back(team)
        await team.passes(looked - 2 * MINUTE)
        assert await team.said("looked_after") == []
        assert "looked after" not in await team.audited("shop-2")
        after = (await team.card("shop-2")).after
        assert (after.label, after.where, after.compared_with) == (
            "after",
            "after",
            "the time before v2",
        )
        await team.passes(3 * MINUTE)
        assert len(await team.said("looked_after")) == 1
        assert (await team.audited("shop-2")).count("looked after") == 1
        await team.passes(20 * MINUTE)
        assert (await team.card("shop-2")).after.at <= team.context.now() - 20 * MINUTE, (
            "nobody looks any more"
        )


async def test_without_numbers_nothing_is_shown_until_the_end_and_then_that_there_were_none(
    team: Team,
) -> None:
    await goes_back(team)
    team.numbers.new = None
    async with team.database.store.reading() as reader:
        seen = len(await reader.snapshots("shop-3"))
    await team.passes(5 * MINUTE)
    async with team.database.store.reading() as reader:
        assert len(await reader.snapshots("shop-3")) == seen
    await team.passes(6 * MINUTE)
    assert (await team.card("shop-2")).after.verdict is Verdict.NO_DATA
    assert len(await team.said("looked_after")) == 1


@pytest.mark.parametrize("by", ["shop-2", ""])
async def test_nothing_is_said_of_what_is_not_live_any_more(team: Team, by: str) -> None:
    await goes_back(team)
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live("shop", "production", COMMITS["v3"], "v3", team.context.now(), by, PEOPLE["ana"])
        )
    assert await aftermath.look(team.context, "shop-3") is Went.OVER
    await team.passes(20 * MINUTE)
    assert await team.said("looked_after") == []


class Overtaken:
    """Numbers that are asked for while something else goes live."""

    def __init__(self, team: Team) -> None:
        self._team = team

    def __getattr__(self, name: str) -> Any:
        return getattr(self._team.numbers, name)

    async def observe(self, *_: object) -> dict[str, Any]:
        async with self._team.database.store.transaction() as tx:
            await tx.set_live(
                Live(
                    "shop",
                    "production",
                    COMMITS["v3"],
                    "v3",
                    self._team.context.now(),
                    "shop-9",
                    PEOPLE["ana"],
                )
            )
        return {"errors": GOOD}


async def test_numbers_that_something_else_has_overtaken_are_not_kept(team: Team) -> None:
    await goes_back(team)
    providers = team.context.providers["shop"]
    object.__setattr__(
        team.context, "providers", {"shop": replace(providers, metrics=Overtaken(team))}
    )
    async with team.database.store.reading() as reader:
        before = await reader.snapshots("shop-3")
    assert await aftermath.look(team.context, "shop-3") is Went.OVER
    async with team.database.store.reading() as reader:
        assert await reader.snapshots("shop-3") == before


async def test_where_nothing_is_watched_nobody_looks(team_with: Any) -> None:
    async with team_with(is_watched=False) as team:
        await goes_back(team)
        assert await aftermath.look(team.context, "shop-3") is Went.OVER
        await team.passes(20 * MINUTE)
        assert (await team.card("shop-2")).after is None
        assert await team.said("looked_after") == []


async def test_the_lead_is_called_at_once_and_once_where_what_is_back_is_worse_itself(
    team: Team,
) -> None:
    await goes_back(team)
    assert await team.said("back_and_worse") == []
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    (said,) = await team.said("back_and_worse")
    assert said.startswith(
        "*v1*, which is back in shop production after v2, is *worse* itself than before "
        "v2. <@UBO>, please look."
    )
    assert "errors 6.0 % (baseline 0.2 %" in said
    assert (
        "Nothing goes back by itself from here. Another version is deployed: "
        "/deploy shop REF to production."
    ) in said
    assert "back_and_worse" in await team.said_to("channel")
    await team.passes(20 * MINUTE)
    assert len(await team.said("back_and_worse")) == 1


async def test_the_alarm_about_what_is_back_ends_when_something_else_is_live(team: Team) -> None:
    await goes_back(team)
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    message = next(each for each in await team.outbox() if each.template == "back_and_worse")
    assert await ended(team.context, message) is None
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live(
                "shop",
                "production",
                COMMITS["v3"],
                "v3",
                team.context.now(),
                "shop-9",
                PEOPLE["ana"],
            )
        )
    assert await ended(team.context, message) == Ending("v3 has come there since.", is_final=True)


PLACE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "",
    "strategy": "rolling", "smoke": True, "lock_after_rollback": False,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
MIGRATES = Changes(total=1, files=("migrations/7.sql",))


async def comes_back_worse(team: Team) -> str:
    """Have v2 fail its smoke test and be said to be live, v3 rolled back to it, and v2
    found worse; give the alarm.
    """
    team.ci.ends["smoke"] = RunState.FAILED
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(5 * MINUTE)
    team.ci.ends.clear()
    await team.says_live("bo", SayLive("shop", "production", "v2", "it works"))
    await team.says("bo", Unquarantine("shop", "v2", "it works"))
    assert "said" in (await team.shown("shop-1")).partition("\n")[0]
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(MINUTE)
    await team.rolls_back("bo", RollBack("shop", "production", "v2", "it is worse"))
    team.numbers.new = BAD
    await team.passes(3 * MINUTE)
    (said,) = await team.said("back_and_worse")
    return str(said)


async def test_what_the_alarm_names_can_be_typed_as_it_is_printed(team_with: Any) -> None:
    async with team_with(**PLACE) as team:
        team.ci.parted = {"a c": MIGRATES, "c a": replace(MIGRATES, backwards=True)}
        said = await comes_back_worse(team)
        assert "/rollback shop production to REF because TEXT (v1)" in said
        assert "Rolling shop in production back to *v1*" in await team.rolls_back(
            "bo", RollBack("shop", "production", "v1", reason="worse as well")
        )
        team.numbers.new = GOOD
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK


async def test_the_alarm_names_no_version_behind_a_migration(team_with: Any) -> None:
    async with team_with(**PLACE) as team:
        team.ci.parted = {"a b": MIGRATES, "b a": replace(MIGRATES, backwards=True)}
        said = await comes_back_worse(team)
        assert "/rollback" not in said
        assert "Another version is deployed: /deploy shop REF to production." in said


async def test_the_card_of_what_failed_and_was_put_back_says_since_when_and_by_whom_it_is_live(
    team_with: Any,
) -> None:
    async with team_with(**PLACE) as team:
        await comes_back_worse(team)
        first = (await team.shown("shop-1")).partition("\n")[0]
        assert "*FAILED* at 100 % · live again since" in first
        assert "put back by <@UBO>" in first
        assert "unclear" not in first
        assert (await team.card("shop-1")).rollback.version == "v1"
