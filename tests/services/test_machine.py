"""The state machine of one place: everybody says everything, providers answer when they please, and the process dies in between."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from bot.domain import commands as say
from bot.domain.card import Action
from bot.domain.commands import Command
from bot.ports import Answer
from handlers.slack.buttons import AT_ONCE
from tests.services.conftest import PEOPLE
from tests.services.held import COMMITS, KINDS
from tests.services.process import How
from tests.services.promises import Shown
from tests.services.world import SCENES, Scene, Setting, World, prepared

EXAMPLES = int(os.environ.get("GONOGO_MACHINE_EXAMPLES", "0"))
"""How many examples ``make machine`` plays; 0 in the ordinary suite, which plays a few, always the same."""
STAND_DOWN = (timedelta(seconds=5.2), timedelta(seconds=8), timedelta(seconds=8), timedelta(seconds=3))
"""A comparison that nobody answers, and the run that does not stop; then the way back begins."""


@cache
def _folder() -> Path:
    """Give a folder for the databases, in memory where there is one."""
    memory = Path("/dev/shm")  # noqa: S108 - databases in memory, in a folder of their own
    return Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))


@cache
def scene(name: str, migration: str) -> Scene:
    """Prepare what an example begins with, once."""
    return prepared(name, migration, _folder() / f"{name} {migration}".replace(" ", "-"))


Verb = Callable[[str, str, str, str], Command]
"""Makes a command of a deployment, what was shown, a version and a person."""
VERBS: dict[str, Verb] = {
    "deploy": lambda _id, _shown, version, _who: say.Deploy("shop", "production", version),
    "approve": lambda subject, shown, _version, _who: say.Approve(subject, shown),
    "reject": lambda subject, shown, _version, _who: say.Reject(subject, "no", shown),
    "tick": lambda subject, shown, _version, _who: say.Tick(subject, ("support",), (), shown),
    "untick": lambda subject, shown, _version, _who: say.Tick(subject, (), ("support",), shown),
    "cancel": lambda subject, _shown, _version, _who: say.Cancel(subject),
    "roll back": lambda subject, shown, _version, _who: say.RollBack(deployment=subject, shown=shown),
    "roll back all the same": lambda subject, shown, _version, _who: say.RollBack(deployment=subject, shown=shown, although_unknown=True),
    "type a rollback": lambda _id, _shown, _version, _who: say.RollBack("shop", "production", reason="errors"),
    "type a rollback to": lambda _id, _shown, version, _who: say.RollBack("shop", "production", version, "errors"),
    "hand over": lambda subject, _shown, _version, who: say.HandOver(subject, PEOPLE[who].user),
    "take over": lambda subject, shown, _version, _who: say.TakeOver(subject, "fire", shown),
    "lock": lambda _id, _shown, _version, _who: say.Lock("shop", "production", "fire"),
    "unlock": lambda _id, _shown, _version, _who: say.Unlock("shop", "production"),
    "proceed": lambda subject, shown, _version, _who: say.Proceed(subject, "noise", shown),
    "stop the countdown": lambda subject, shown, _version, _who: say.StopCountdown(subject, "noise", shown),
    "say what is live": lambda _id, _shown, version, _who: say.SayLive("shop", "production", version, "seen"),
}
ACTIONS = {
    "approve": Action.APPROVE, "reject": Action.REJECT, "tick": Action.TICK, "untick": Action.TICK, "roll back": Action.ROLL_BACK,
    "roll back all the same": Action.ROLL_BACK, "take over": Action.TAKE_OVER, "proceed": Action.PROCEED,
    "stop the countdown": Action.STOP_COUNTDOWN,
}  # fmt: skip
OFTEN = ("roll back", "approve", "tick", "deploy", "lock", "roll back", "roll back", "proceed")
RIGHT = {
    "deploy": "ana",
    "approve": "bo",
    "reject": "bo",
    "tick": "cy",
    "untick": "cy",
    "cancel": "bo",
    "lock": "bo",
    "unlock": "bo",
    "take over": "di",
}
"""Who may do it; for everything else, the lead."""
HOLDS = (
    ("start",), ("start", "cancel"), ("find", "start"), ("find", "start", "look", "cancel"), ("start", "look", "cancel"),
    ("look", "cancel"), ("quality",), ("quality", "who", "compare"), ("compare", "start"), ("directory", "quality"),
    ("who", "directory", "start"), KINDS,
)  # fmt: skip
"""What is held in one example: few kinds, so that what is answered gets on."""
SEEN = ("nothing", "the newest card", "an older card")


class OnePlace(RuleBasedStateMachine):
    """One environment and everybody who wants something of it."""

    world: World | None = None

    @initialize(
        name=st.sampled_from(sorted(SCENES)),
        holds=st.sampled_from(HOLDS),
        migration=st.sampled_from(("", "", "v2", "v3")),
        is_deaf=st.booleans(),
        locks=st.sampled_from((False, False, True)),
        counts_down=st.booleans(),
    )
    def begins(self, name: str, holds: tuple[str, ...], migration: str, is_deaf: bool, locks: bool, counts_down: bool) -> None:
        setting = Setting(frozenset(holds), migration, is_deaf, locks, counts_down)
        self.world = scene(name, migration).copied(Path(tempfile.mkdtemp(dir=_folder())) / "now", setting)

    def teardown(self) -> None:
        if self.world is not None:
            self.world.close()
            shutil.rmtree(self.world.folder.parent)

    @property
    def now(self) -> World:
        assert self.world is not None
        return self.world

    # People -------------------------------------------------------------------------------------------------------------------------------

    @rule(
        name=st.sampled_from(("", "", "", "bo", "ana", "cy", "di")),
        verb=st.sampled_from((*VERBS, *OFTEN)),
        nth=st.sampled_from((0, 0, 1)),
        seen=st.sampled_from(SEEN),
        version=st.sampled_from(("v2", "v3", "v1", "v0")),
        other=st.sampled_from(("bo", "cy", "di")),
    )
    def somebody_says(self, name: str, verb: str, nth: int, seen: str, version: str, other: str) -> None:
        ids = self.now.deployments()
        if not ids:
            verb, name = "deploy", "ana"
        subject = ids[min(nth, len(ids) - 1)] if ids else ""
        name = name or RIGHT.get(verb) or self.now.lead_of(subject)
        if self.now.waits_for_answer(name) and not verb.startswith("roll back"):
            return
        shown = self._shown(verb, subject, seen) if ids else None
        if nth == 0 and ids:
            self.now.looks_at(subject)
        self.now.says(name, VERBS[verb](shown.deployment if shown else subject, shown.token if shown else "", version, other), shown)

    def _shown(self, verb: str, subject: str, seen: str) -> Shown | None:
        action = ACTIONS.get(verb)
        if action is None or seen == "nothing":
            return None
        buttons = self.now.looks_at(subject) if seen == "the newest card" else self.now.cards
        matching = [button for button in buttons if button.action == action and button.deployment == subject]
        return matching[0] if matching else None

    @precondition(lambda self: any(answer and answer.offers for answer in self.now.answers.values()))
    @rule(name=st.sampled_from(("bo", "cy", "di")))
    def somebody_presses_what_was_offered(self, name: str) -> None:
        answers: list[Answer] = [answer for answer in self.now.answers.values() if answer and answer.offers]
        offer = answers[-1].offers[-1]
        if offer.action == Action.SAY_LIVE:
            self.now.says(name, AT_ONCE[Action.SAY_LIVE](offer.deployment, offer.carries))
        if offer.action == Action.ROLL_BACK:
            command = AT_ONCE[Action.ROLL_BACK](offer.deployment, offer.carries.partition(" ")[0] and f"{offer.carries}")
            self.now.says(name, command)

    # The world ----------------------------------------------------------------------------------------------------------------------------

    def _answers(self, nth: int, how: How) -> None:
        calls = self.now.process.calls
        self.now.process.answer(calls[nth % len(calls)], how)
        self.now.settles()

    hows = st.sampled_from((How.OK, How.OK, How.DONE, How.DONE, How.LOST, How.NO, How.FAILED))

    @precondition(lambda self: self.now.process.calls)
    @rule(nth=st.integers(0, 3), how=hows)
    def a_call_is_answered(self, nth: int, how: How) -> None:
        self._answers(nth, how)

    @precondition(lambda self: self.now.process.calls)
    @rule(nth=st.integers(0, 3), how=hows)
    def another_call_is_answered(self, nth: int, how: How) -> None:
        self._answers(nth, how)

    @precondition(lambda self: self.now.process.calls)
    @rule()
    def the_oldest_call_is_answered(self) -> None:
        self._answers(0, How.DONE)

    @rule(seconds=st.sampled_from((2, 16, 61, 61, 200)))
    def time_passes(self, seconds: int) -> None:
        self.now.passes(timedelta(seconds=seconds))

    @rule(errors=st.sampled_from((2, 2, 60, 400, None)))
    def the_numbers_turn(self, errors: int | None) -> None:
        self.now.numbers.new = errors
        self.now.passes(timedelta(seconds=61))

    @rule(version=st.sampled_from(("v1", "v2", "v3")), lift=st.booleans())
    def it_is_rolled_back_elsewhere(self, version: str, lift: bool) -> None:
        self.now.loop.run_until_complete(self._quarantine(version, lift=lift))
        self.now.settles()

    async def _quarantine(self, version: str, *, lift: bool) -> None:
        async with self.now.process.database.store.transaction() as tx:
            if lift:
                await tx.lift_quarantine("shop", COMMITS[version])
            else:
                await tx.put_in_quarantine("shop", COMMITS[version], reason="staging", by=PEOPLE["bo"], at=self.now.clock.now())
            for other in await tx.open_deployments("shop"):
                await tx.wake(other.id)

    @rule(after=st.sampled_from((-1, 0, 1, 2, 3, 5, 8, 13)))
    def the_process_dies(self, after: int) -> None:
        if after < 0:
            self.now.loop.run_until_complete(self.now.process.crash())
        else:
            self.now.process.dies_after = after

    @precondition(lambda self: self._led())
    @rule()
    def the_lead_rolls_back_while_nothing_answers(self) -> None:
        subject, lead = self._led()[0]
        process = self.now.process
        process.dies_after = None
        known = {row["id"] for row in self.now.promises.rows("select id from deployment where undoes = ?", subject)}
        key = self.now.says(lead, say.RollBack(deployment=subject, although_unknown=True))
        for time in STAND_DOWN:
            self.now.passes(time)
            for call in [
                call for call in process.calls if call.kind == "find" and call.about.partition(":")[0] in self._backs(subject, known)
            ]:
                process.answer(call, How.OK)
            self.now.settles()
        answer = self.now.answers.get(key)
        assert answer is not None, "the lead's click was not answered in time"
        if answer.name == "rolling_back":
            (back,) = self._backs(subject, known)
            asked = [call.about for call in process.calls if call.kind == "start"] + list(self.now.ci.runs)
            assert any(run.startswith(f"{back}:") for run in asked), f"{back} has not been started in time"

    def _led(self) -> list[tuple[str, str]]:
        question = "select id, lead from deployment where kind = 'forward' and state in ('rolling out', 'watching') and lead is not null"
        names = {str(person): name for name, person in PEOPLE.items()}
        return [(row["id"], names[row["lead"]]) for row in self.now.promises.rows(question)] if self.world else []

    def _backs(self, subject: str, known: set[str]) -> list[str]:
        rows = self.now.promises.rows("select id from deployment where undoes = ?", subject)
        return [row["id"] for row in rows if row["id"] not in known]

    @invariant()
    def all_promises_hold(self) -> None:
        if self.world is not None:
            self.now.promises.all_hold()


STEPS = 40


@pytest.mark.case("races-5", "races-6")
def test_whatever_happens_in_whatever_order_one_place_has_one_runner() -> None:
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    few = settings(
        max_examples=EXAMPLES or 15, stateful_step_count=STEPS, deadline=None, derandomize=not EXAMPLES, suppress_health_check=checks,
        database=None,
        phases=[Phase.generate],
        print_blob=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(OnePlace, settings=few)
    finally:
        shutil.rmtree(_folder(), ignore_errors=True)
        _folder.cache_clear()
        scene.cache_clear()
