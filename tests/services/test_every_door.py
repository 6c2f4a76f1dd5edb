"""The doors that are no commands, and the rules that hold at every door alike."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bot.dispatch.doors import Doors
from bot.dispatch.tables import ASKING_WHY
from bot.domain.actions import Action
from bot.domain.changes import Changes
from bot.domain.commands import (
    Command,
    Deploy,
    DeployFirst,
    Lock,
    Proceed,
    Quarantine,
    RollBack,
)
from bot.domain.deployment import CAN_ROLL_BACK, State
from bot.domain.errors import Refusal
from bot.ports.ci import RunHint
from bot.services import rollback_starts, summaries, webhooks
from bot.verbs import ReasonButton, every
from tests.services.authority_rules import MAY_DEPLOY, MAY_LOOK, RULES
from tests.services.authority_world import LOG, PEOPLE, Who, World
from tests.services.conftest import BAD, COMMITS, MINUTE, Quiet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.domain.people import Person

ROOT = Path(__file__).parents[2]
Team = Any
"""The fixtures ``team`` and ``swift``."""
MIGRATES = Changes(total=1, files=("migrations/7.sql",), migrations=("migrations/7.sql",))

VERB: dict[Action, str] = {
    verb.button.action: verb.name for verb in every() if isinstance(verb.button, ReasonButton)
}
NO_COMMANDS: dict[str, frozenset[str]] = {
    "terminal": frozenset(
        {
            "run",
            "demo",
            "check-config",
            "manifest",
            "schema",
            "adopt",
            "doctor",
            "verify",
            "verify-audit",
            "export",
            "backup",
        }
    ),
    "timer": frozenset({"summaries", "morning", "tidy"}),
    "webhook": frozenset({"/slack/events", "/webhooks/ci/{provider}"}),
    "rule": frozenset({"findings", "rollout_ends"}),
}
"""The doors that no member comes through, counted from the code below; of the terminal's, ``adopt``
alone writes what is live.
"""


def found(pattern: str, *where: str) -> frozenset[str]:
    text = "\n".join(
        path.read_text(encoding="utf-8") for name in where for path in sorted(ROOT.glob(name))
    )
    return frozenset(re.findall(pattern, text, re.DOTALL))


def test_every_door_that_is_no_command_is_known() -> None:
    modules = sorted((ROOT / "bot" / "services").glob("*.py"))
    assert {
        "terminal": found(r'_verb\(\s*\w+,\s*"([a-z-]+)"', "bot/cli.py")
        | found(r'\((?:where|parts|verbs), "(verify(?:-audit)?)"\)', "bot/cli.py"),
        "timer": found(r'add_job\(.*?id="(\w+)"', "handlers/schedule/*.py"),
        "webhook": found(r'web\.post\("([^"]+)"', "handlers/**/*.py"),
        "rule": frozenset(
            path.stem
            for path in modules
            if re.search(r"await (?:rollback_starts\.)?by_rule\(", path.read_text(encoding="utf-8"))
        ),
    } == NO_COMMANDS


DOORS: dict[str, tuple[frozenset[Who], Callable[[Doors, str, Person], Awaitable[object]]]] = {
    "may_deploy": (MAY_DEPLOY, lambda doors, _it, by: doors.may_deploy(by)),
    "board": (MAY_LOOK, lambda doors, _it, by: doors.board(by)),
    "changes": (MAY_LOOK, lambda doors, it, by: doors.changes(it, by)),
    "timeline": (MAY_LOOK, lambda doors, it, by: doors.timeline(it, by)),
    "tickable": (RULES["tick"].who, lambda doors, it, by: doors.tickable(it, by)),
}
"""What is shown before anything is asked for: the forms, the home and what is read."""


def test_every_form_asks_the_authority() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(Doors, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == {*DOORS, "may_ask", "roles", "refuse"}, (
        "may_ask stands below; roles are one's own; refuse only tells"
    )
    assert set(VERB) == set(ASKING_WHY)


async def _opens(door: Awaitable[object]) -> bool:
    try:
        await door
    except Refusal:
        return False
    return True


@pytest.mark.case("trust-4")
@pytest.mark.parametrize("name", DOORS)
async def test_a_form_opens_for_those_who_may_and_for_nobody_else(every: World, name: str) -> None:
    may, opens = DOORS[name]
    doors, waiting = Doors(every.context, Quiet()), every.deployments[State.GATED].id
    assert {who for who in Who if await _opens(opens(doors, waiting, PEOPLE[who]))} == may


@pytest.mark.case("trust-4")
@pytest.mark.parametrize("action", VERB)
async def test_a_dialog_asks_why_only_those_who_may_give_a_reason(
    every: World, action: Action
) -> None:
    states = {Action.SAY_WHY: State.ROLLED_BACK} | dict.fromkeys(
        (Action.REJECT, Action.CONFIRM_PLAN), State.AWAITING_APPROVAL
    )
    state = states.get(action, State.ROLLING_OUT)
    doors, about = Doors(every.context, Quiet()), every.deployments[state].id
    opened = {who for who in Who if await _opens(doors.may_ask(action, about, PEOPLE[who]))}
    may = {who for who in Who if RULES[VERB[action]].allows(who, state)}
    assert opened == (may | {Who.LEAD} if action is Action.TAKE_OVER else may), (
        "the lead is told that they lead already"
    )


@pytest.mark.parametrize("state", State)
async def test_a_notice_and_the_clock_change_no_deployment(every: World, state: State) -> None:
    talk = LOG | {"outbox", "runbook", "posting"}
    before, deployment = every.contents(apart_from=talk), every.deployments[state]
    await webhooks.wake(every.context.store, every.context.catalog, RunHint("run", commit="b" * 40))
    await summaries.after_deployment(every.context, deployment.id)
    await summaries.morning(every.context, every.context.now())
    assert every.contents(apart_from=talk) == before


@pytest.mark.case("structure-9")
@pytest.mark.parametrize("state", State)
async def test_the_bots_own_rule_goes_back_only_where_a_person_could(
    every: World, state: State
) -> None:
    deployment = every.deployments[state]
    async with every.undoing()[1].transaction() as tx:
        try:
            held = await rollback_starts.by_rule(
                every.context, tx, deployment, "the smoke test failed"
            )
        except Refusal as refusal:
            held = str(refusal)
        after = await tx.deployment(deployment.id)
    assert after is not None
    assert (not held) is (state in CAN_ROLL_BACK)
    assert after.state is (state if held else State.ROLLING_BACK)


# One rule at every door -------------------------------------------------------------------------

FORWARD: dict[str, Callable[[Team], Awaitable[object]]] = {
    "the version": lambda team: team.says("ana", Deploy("shop", "production", "v1")),
    "the commit before": lambda team: team.says("ana", Deploy("shop", "production", "previous")),
}
BACK: dict[str, Command] = {
    "click": RollBack(deployment="shop-1"),
    "click although nothing is known": RollBack(deployment="shop-1", although_unknown=True),
    "the dialog's button": RollBack(deployment="shop-1", ref=COMMITS["v1"], reason="x"),
    "typed": RollBack("shop", "production", reason="x"),
    "typed with a version": RollBack("shop", "production", "v1", reason="x"),
    "typed with a commit": RollBack("shop", "production", COMMITS["v1"], reason="x"),
}


async def v2_with_a_migration(team: Team) -> None:
    team.ci.changes = MIGRATES
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(4 * MINUTE)


def went_back(team: Team) -> list[str]:
    """Name the runs that put v1 there."""
    return [run for run, asked in team.ci.runs.items() if asked.commit == COMMITS["v1"]]


@pytest.mark.case("structure-9", "races-2")
@pytest.mark.parametrize("command", BACK.values(), ids=BACK)
async def test_no_word_and_no_click_goes_back_over_a_migration(
    swift: Team, command: Command
) -> None:
    await v2_with_a_migration(swift)
    assert "A database migration lies between (migrations/7.sql)." in await swift.says(
        "bo", command
    )
    await swift.passes(4 * MINUTE)
    assert went_back(swift) == []


@pytest.mark.case("structure-9", "races-3")
@pytest.mark.parametrize("door", FORWARD)
async def test_no_request_goes_back_over_a_migration(swift: Team, door: str) -> None:
    await v2_with_a_migration(swift)
    await FORWARD[door](swift)
    await swift.passes(4 * MINUTE)
    assert went_back(swift) == []
    assert " brought migrations/7.sql, which v1 has not" in await swift.shown("shop-2")


@pytest.mark.case("structure-9")
async def test_no_countdown_goes_back_over_a_migration(team: Team) -> None:
    team.ci.changes = MIGRATES
    v2 = await team.asks_for_v2()
    async with team.database.store.transaction() as tx:
        # the gate would say so before; this is what follows if it is off
        await tx.move(v2, State.ROLLING_OUT, at=team.context.now())
    await team.passes(MINUTE)
    team.numbers.new = BAD
    await team.passes(30 * MINUTE)
    deployment = await team.deployment(v2)
    assert (deployment.state, deployment.countdown_until) == (State.ROLLING_OUT, None)
    assert [run for run in went_back(team) if run.startswith("shop-3")] == []


@pytest.mark.case("races-4")
async def test_a_quarantine_holds_at_every_door(team: Team) -> None:
    waits = await team.asks_for_v2()
    await team.says("ana", Deploy("shop", "staging", "v3"))
    await team.passes(10 * MINUTE)
    await team.says("bo", Quarantine("shop", "v2", "it forgets carts"))
    for ref in ("v2", COMMITS["v2"]):
        said = await team.says("ana", Deploy("shop", "staging", ref))
        assert "it forgets carts" in said or "I don't know" in said or "there is no" in said
    for command in (
        RollBack("shop", "staging", "v2", reason="x"),
        RollBack("shop", "staging", COMMITS["v2"], reason="x"),
    ):
        assert (
            "v2 is quarantined, so nothing goes back to it: it forgets carts (<@UBO>)."
            in await team.says("bo", command)
        )
    assert "it forgets carts" in await team.says("ana", DeployFirst(waits))
    await team.clears(waits)
    await team.passes(10 * MINUTE)
    assert (await team.deployment(waits)).started_at is None
    assert "it forgets carts" in await team.shown(waits)


@pytest.mark.case("races-11")
@pytest.mark.parametrize("place", ["shop", ""])
async def test_a_lock_keeps_every_start_forward_and_no_rollback(swift: Team, place: str) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await swift.says("bo", Lock(place, "production", "a fire"))
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(4 * MINUTE)
    assert [run for run in swift.ci.runs if run.startswith("shop-2")] == []
    await swift.says("bo", RollBack(deployment="shop-1", reason="it burns"))
    await swift.passes(4 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.ROLLED_BACK


@pytest.mark.case("races-11", "structure-9")
async def test_the_leads_word_is_no_key_to_a_lock(team: Team) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    await team.says("bo", Lock("shop", "production", "a fire"))
    await team.says("bo", Proceed(v2, "a campaign"))
    await team.passes(timedelta(minutes=30))
    assert [run for run in team.ci.runs if run.startswith(f"{v2}:canary-100")] == []
