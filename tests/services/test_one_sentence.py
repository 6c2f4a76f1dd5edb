"""One fact is said in one sentence, and in the same one wherever it is shown: on the card, in the
status, on the Home, in the history and in a check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.catalog import AutomaticGate, ChecklistItem, GateKind, Need
from bot.domain.commands import Check, Deploy, History, RollBack, Status
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.queries import board
from bot.slack.dialogs import Dialogs
from tests.services.conftest import MINUTE, PEOPLE, Team, readable

NOTHING = {"gates": (), "checklist": (), "approvals": (), "after": ""}
CANARY = {**NOTHING, "strategy": "canary"}


async def home(team: Team) -> str:
    view = str(Dialogs(team.words).home(await board.rows(team.context), roles=[]))
    return readable(view.replace("\\n", "\n"))


async def card(team: Team) -> str:
    async with team.database.store.reading() as reader:
        (*_, newest) = await reader.open_deployments("shop", "production")
    return await team.shown(newest.undoes or newest.id)


BOARDS: dict[str, Callable[[Team], Any]] = {
    "status": lambda team: team.says("ana", Status("shop")),
    "home": home,
}
DOORS: dict[str, Callable[[Team], Any]] = {
    **BOARDS,
    "card": card,
    "history": lambda team: team.says("ana", History("shop", "production")),
}


@pytest.mark.parametrize("door", DOORS)
async def test_what_cannot_be_looked_up_is_said_with_since_when_the_ci_provider_is_silent_and_what_comes_of_it(
    team: Team, door: str
) -> None:
    team.ci.away = True
    await team.says("ana", Deploy("shop", "production", "v9"))
    await team.passes(10 * MINUTE)
    silent = "; the CI provider has not answered since 02:00 UTC and is asked again until it does"
    assert silent in await DOORS[door](team)
    team.ci.away = False
    await team.passes(10 * MINUTE)
    assert "has not answered" not in await BOARDS["status"](team)


@pytest.mark.parametrize("door", DOORS)
async def test_a_run_about_which_the_ci_provider_is_silent_is_said_to_be_so_wherever_it_is_shown(
    team_with: Any, door: str
) -> None:
    async with team_with(**CANARY) as team:
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        team.ci.away = True
        await team.passes(2 * MINUTE)
        shown = await DOORS[door](team)
        assert "he CI provider has not answered since 02:0" in shown
        assert "; nothing is lost, it is asked again" in shown


@pytest.mark.parametrize("door", DOORS)
async def test_a_rollback_whose_start_is_not_answered_is_said_to_be_so_wherever_it_is_shown(
    team_with: Any, door: str
) -> None:
    async with team_with(**CANARY) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.ci.refuses["start shop-2:rollback"] = IntegrationError("down", vendor="the CI")
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(2 * MINUTE)
        shown = await DOORS[door](team)
        assert "as soon as it is certain that it does not run" in shown
        assert shown.count("has not answered the rollback's start since 02:0") == 1


@pytest.mark.parametrize("door", DOORS)
async def test_what_the_ci_provider_refuses_to_start_is_said_with_its_words_wherever_it_is_shown(
    team_with: Any, door: str
) -> None:
    async with team_with(**CANARY) as team:
        team.ci.refuses["start shop-1"] = IntegrationError(
            "the token has expired", vendor="the CI", status=401, retry=False
        )
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        shown = await DOORS[door](team)
        assert "he CI provider refuses since 02:0" in shown
        assert "UTC: the token has expired. It is asked again every half minute" in shown
        assert shown.count("refuses") <= (2 if door == "card" else 1)


async def test_a_check_that_the_ci_provider_does_not_answer_says_what_has_been_waiting_for_it(
    team: Team,
) -> None:
    team.ci.away = True
    alone = await team.says("ana", Check("shop", "production", "v2"))
    assert alone == "the CI does not answer, so this cannot be told now. Try again in a minute."
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(10 * MINUTE)
    said = await team.says("ana", Check("shop", "production", "v2"))
    assert said == f"{alone} shop-1 has been waiting for it since 2026-11-21 02:00 UTC."


# A rollback -------------------------------------------------------------------------------------


async def rolls_back(team: Team) -> None:
    """Have v2 at 5 %, and its rollback under way."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await team.passes(MINUTE)
    assert (await team.deployment("shop-1")).state is State.ROLLING_BACK


def of_production(shown: str) -> str:
    """Cut out what is said of production."""
    begins = shown.index("*shop production*")
    return shown[begins:].split("*shop staging*", maxsplit=1)[0].split("'}", maxsplit=1)[0]


@pytest.mark.parametrize("door", BOARDS)
async def test_a_rollback_is_said_once_with_what_it_takes_away_and_what_it_puts_back(
    team_with: Any, door: str
) -> None:
    async with team_with(**CANARY) as team:
        await rolls_back(team)
        shown = of_production(await BOARDS[door](team))
        assert "*ROLLING BACK* from v2 (shop-1) to v1 as shop-2, lead <@UBO> · " in shown
        assert (shown.count("shop-2"), shown.count("ROLLING BACK"), shown.count("lead")) == (
            1,
            1,
            1,
        )
        assert "put back by" not in shown
        assert "the rollback of" not in shown


@pytest.mark.parametrize("door", BOARDS)
async def test_while_a_rollback_runs_nothing_there_is_called_live_and_what_was_is_named(
    team_with: Any, door: str
) -> None:
    async with team_with(**CANARY) as team:
        await rolls_back(team)
        shown = of_production(await BOARDS[door](team))
        assert "live before: v1, since 2026-11-21 02:00 UTC, adopted by an operator" in shown
        assert "v1 live since" not in shown
        assert "v2 (shop-1) still has 5 % of the requests" in shown
        team.ci.ends["rollback"] = RunState.SUCCEEDED
        await team.passes(2 * MINUTE)
        shown = of_production(await BOARDS[door](team))
        assert "v1 live since" in shown
        assert "ROLLING BACK" not in shown


@pytest.mark.parametrize("door", BOARDS)
async def test_what_waits_behind_a_rollback_keeps_its_line(team_with: Any, door: str) -> None:
    async with team_with(**CANARY) as team:
        await rolls_back(team)
        await team.says("cy", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        shown = of_production(await BOARDS[door](team))
        assert "○ v3 (shop-3) queued behind shop-2" in shown
        assert shown.count("▶") == 0


@pytest.mark.parametrize("door", BOARDS)
async def test_a_version_that_is_rolled_back_and_quarantined_is_not_said_to_stay_live(
    swift: Team, door: str
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    swift.ci.ends["rollback"] = RunState.RUNNING
    await swift.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    async with swift.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop", "b" * 40, reason="it loses carts", by=PEOPLE["bo"], at=swift.context.now()
        )
    await swift.passes(MINUTE)
    shown = of_production(await BOARDS[door](swift))
    assert "*ROLLING BACK* from v2 (shop-1) to v1 as shop-2" in shown
    assert "live before: v2, since" in shown
    assert "v2 is *quarantined*: it loses carts." in shown
    assert "stays live" not in shown


async def test_the_history_says_of_a_rollback_under_way_that_it_is_and_calls_nothing_live(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await rolls_back(team)
        said = await team.says("ana", History("shop", "production"))
        assert "rollback to *v1* · under way, by <@UBO> (shop-2, undoes shop-1): errors" in said
        assert "recorded as live" not in said


# The gates --------------------------------------------------------------------------------------

OPTIONAL = ChecklistItem("docs", "docs written", "support", need=Need.OPTIONAL)
MUST = ChecklistItem("support", "support briefed", "support")
SOME = {
    "gates": (AutomaticGate(GateKind.TESTS),), "after": "", "strategy": "canary",
    "checklist": (MUST, OPTIONAL), "approvals": (),
}  # fmt: skip


@pytest.mark.parametrize("door", ["status", "home", "card", "check", "thread"])
async def test_the_gates_are_counted_alike_wherever_they_are_counted(
    team_with: Any, door: str
) -> None:
    doors: dict[str, Callable[[Team], Any]] = {
        **DOORS,
        "check": lambda team: team.says("ana", Check("shop", "production", "v2")),
        "thread": said_of_gates,
    }
    async with team_with(**SOME) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        counted = "1 of 2 required open" if door == "thread" else "1 of 2 required gates open"
        assert counted in await doors[door](team)


@pytest.mark.parametrize(
    ("checklist", "says", "in_thread"),
    [
        ((OPTIONAL,), "the required gate holds", "the required one holds"),
        ((), "the gate holds", "it holds"),
    ],
)
async def test_that_the_gates_hold_is_said_with_the_same_count_in_the_thread_and_in_a_check(
    team_with: Any, checklist: tuple[ChecklistItem, ...], says: str, in_thread: str
) -> None:
    async with team_with(**{**SOME, "checklist": checklist}) as team:
        said = await team.says("ana", Check("shop", "production", "v2"))
        assert f": ready, {says}\n" in said
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        assert f"*Gates*: {in_thread}\n" in await said_of_gates(team)


async def said_of_gates(team: Team) -> str:
    return "\n".join(await team.said("gates"))
