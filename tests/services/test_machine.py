"""The state machine of one place: everybody says everything, providers answer when they please, and
the process dies in between.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bot.dispatch.tables import COMMANDS
from bot.domain.commands import Help, Proceed, RollBack
from tests.services import acts
from tests.services.conftest import PEOPLE
from tests.services.held import COMMITS
from tests.services.process import How
from tests.services.promises import Shown
from tests.services.world import OFTEN, SCENES, Scene, Setting, World, prepared

EXAMPLES = int(os.environ.get("GONOGO_MACHINE_EXAMPLES", "0"))
"""How many examples ``make machine`` plays; 0 in the ordinary suite, which
plays a few, always the same.
"""
STEPS = 25
FEW = 24
AT_A_TIME = 8
"""So many examples are drawn from one seed, beside the simplest. From the eleventh on
Hypothesis varies what it has played, and may go back and forth between two examples for ever,
since neither is played again.
"""
STAND_DOWN = (
    timedelta(seconds=5.2),
    timedelta(seconds=8),
    timedelta(seconds=8),
    timedelta(seconds=3),
)
"""A comparison that nobody answers, and the run that does not stop; then the way back begins."""
HOWS = (How.OK, How.OK, How.DONE, How.DONE, How.LOST, How.LOST, How.NO, How.FAILED)
"""How a call is answered."""
ITS_OWN = (How.OK, How.NO)
"""How a start is answered to a process that another has taken over from: an answer that is lost
there is known to nobody.
"""


@cache
def _folder() -> Path:
    """Give a folder for the databases, in memory where there is one."""
    memory = Path("/dev/shm")  # noqa: S108 - databases in memory, in a folder of their own
    return Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))


@cache
def scene(name: str, migration: str) -> Scene:
    """Prepare what an example begins with, once."""
    return prepared(name, migration, _folder() / f"{name} {migration}".replace(" ", "-"))


class OnePlace(RuleBasedStateMachine):
    """One environment and everybody who wants something of it. One rule draws what happens, so that
    none is ever switched off.
    """

    world: World | None = None
    examples: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    @initialize(
        name=st.sampled_from(OFTEN),
        nth=st.integers(0, 59),
        migration=st.sampled_from(("", "", "", "v2", "v3")),
        is_deaf=st.booleans(),
        is_behind=st.booleans(),
        locks=st.sampled_from((False, False, True)),
        counts_down=st.booleans(),
    )
    def begins(
        self,
        name: str,
        nth: int,
        migration: str,
        is_deaf: bool,
        is_behind: bool,
        locks: bool,
        counts_down: bool,
    ) -> None:
        OnePlace.examples += 1
        plot = SCENES[name]
        holds = frozenset(plot.holds[nth % len(plot.holds)])
        setting = Setting(holds, migration, is_deaf, is_behind, locks, counts_down, plot.approvals)
        self.world = scene(name, migration).copied(
            Path(tempfile.mkdtemp(dir=_folder())) / "now", setting
        )

    def teardown(self) -> None:
        if self.world is not None:
            self.world.close()
            shutil.rmtree(self.world.folder.parent)

    @property
    def now(self) -> World:
        assert self.world is not None
        return self.world

    @rule(data=st.data())
    def something_happens(self, data: Any) -> None:
        OnePlace.steps += 1
        act, _, subject = data.draw(st.sampled_from(acts.possible(self.now))).partition(": ")
        happens = getattr(self, "_" + act.replace(" ", "_"), None)
        if happens is not None:
            happens(data, subject)
        else:
            self._somebody_says(data, act, subject)

    # People -------------------------------------------------------------------------------------

    def _somebody_says(self, data: Any, verb: str, subject: str) -> None:
        right = (
            acts.RIGHT.get(verb) or (self.now.lead_of(subject),)
            if subject or verb in acts.RIGHT
            else ("bo",)
        )
        name = data.draw(st.sampled_from([*right * 5, *PEOPLE]))
        if self.now.waits_for_answer(name) and not verb.startswith("roll back"):
            return
        shown = (
            acts.shown_to(self.now, verb, subject)
            if subject and data.draw(st.integers(0, 4))
            else None
        )
        version = data.draw(st.sampled_from(("v2", "v3", "v3", "v1", "v0")))
        other = data.draw(st.sampled_from(("bo", "cy", "di"))) if verb == "hand over" else ""
        self.now.says(
            name, acts.VERBS[verb](subject, shown.token if shown else "", version, other), shown
        )

    def _anything(self, data: Any, _subject: str) -> None:
        """Say something that may well be refused."""
        ids = self.now.deployments()
        if ids:
            self._somebody_says(
                data,
                data.draw(st.sampled_from(tuple(acts.VERBS))),
                data.draw(st.sampled_from(ids[:2])),
            )

    def _press(self, data: Any, _subject: str) -> None:
        self.now.says(
            data.draw(st.sampled_from(("bo", "bo", "cy", "di"))), acts.offered(self.now)[-1]
        )

    def _press_a_rollback_to_what_is_gone(self, data: Any, subject: str) -> None:
        """The lead presses what they have seen, and the version that it names is quarantined
        meanwhile: nothing else is put back unseen.
        """
        shown = acts.shown_to(self.now, "roll back", subject)
        target = COMMITS[acts.target_of(self.now)]
        self._quarantine_the_target(data, subject)
        if shown is not None and shown.target == target:
            self._is_refused(
                RollBack(deployment=subject, shown=shown.token), shown, {"rolling_back"}
            )

    def _give_a_word_for_what_was_shown_before(self, data: Any, subject: str) -> None:
        """The lead lets go on what they have seen, and it has got worse meanwhile: their
        word is for what they saw.
        """
        shown = acts.shown_to(self.now, "proceed", subject)
        self._numbers(data, subject)
        if shown is not None and shown.finding != self.now.promises.finding(subject):
            self._is_refused(Proceed(subject, "noise", shown.token), shown, {"proceeding"})

    def _is_refused(self, command: RollBack | Proceed, shown: Shown, unless: set[str]) -> None:
        key = self.now.says(self.now.lead_of(command.deployment), command, shown)
        answer = self.now.answers.get(key)
        assert answer is None or answer.name not in unless, (
            f"{shown.action} was pressed for something else, and done"
        )

    def _look(self, _data: Any, subject: str) -> None:
        self.now.looks_at(subject)

    # The world ----------------------------------------------------------------------------------

    def _answer(self, data: Any, _subject: str) -> None:
        call = self.now.process.calls[data.draw(st.integers(0, len(self.now.process.calls) - 1))]
        is_frozen = call.task in self.now.process.frozen
        self.now.process.answer(call, data.draw(st.sampled_from(ITS_OWN if is_frozen else HOWS)))
        self.now.settles()

    def _time(self, data: Any, _subject: str) -> None:
        self.now.passes(timedelta(seconds=data.draw(st.sampled_from((2, 7, 16, 16, 61, 61, 130)))))

    def _numbers(self, data: Any, _subject: str) -> None:
        self.now.numbers.new = data.draw(st.sampled_from((2, 60, 400, None)))
        self.now.passes(timedelta(seconds=61))

    def _quarantine(self, data: Any, _subject: str) -> None:
        self._elsewhere(data.draw(st.sampled_from(("v1", "v2", "v3"))), lift=False)

    def _quarantine_the_target(self, _data: Any, subject: str) -> None:
        """Somebody has seen the card; then the version that it names is rolled back elsewhere."""
        self.now.looks_at(subject)
        self._elsewhere(acts.target_of(self.now), lift=False)

    def _lift(self, _data: Any, _subject: str) -> None:
        commit = self.now.promises.one('select "commit" from quarantine')["commit"]
        self._elsewhere(
            next(version for version, each in COMMITS.items() if each == commit), lift=True
        )

    def _elsewhere(self, version: str, *, lift: bool) -> None:
        self.now.loop.run_until_complete(self._quarantined(version, lift=lift))
        self.now.settles()

    async def _quarantined(self, version: str, *, lift: bool) -> None:
        async with self.now.process.database.store.transaction() as tx:
            if lift:
                await tx.lift_quarantine("shop", COMMITS[version])
            else:
                await tx.put_in_quarantine(
                    "shop",
                    COMMITS[version],
                    reason="staging",
                    by=PEOPLE["bo"],
                    at=self.now.clock.now(),
                )
            for other in await tx.open_deployments("shop"):
                await tx.wake(other.id)

    def _die(self, data: Any, _subject: str) -> None:
        self.now.process.arrives = data.draw(st.booleans())
        after = data.draw(st.sampled_from((-1, 0, 1, 2, 3, 5, 8, 13)))
        if after < 0:
            self.now.loop.run_until_complete(self.now.process.crash())
        else:
            self.now.process.dies_after = after

    def _taken_over(self, data: Any, _subject: str) -> None:
        self.now.process.arrives = data.draw(st.booleans())
        self.now.loop.run_until_complete(self.now.process.is_taken_over())

    def _roll_back_while_nothing_answers(self, _data: Any, subject: str) -> None:
        """No held call holds a rollback: whatever hangs, the lead is answered, and the way back has
        been started, within 25 seconds.
        """
        process, lead = self.now.process, self.now.lead_of(subject)
        process.dies_after = None
        key = self.now.says(lead, RollBack(deployment=subject, although_unknown=True))
        for passing in STAND_DOWN:
            self.now.passes(passing)
            for call in [
                call
                for call in process.calls
                if call.kind == "find" and call.about.partition(":")[0] in self._backs(subject)
            ]:
                process.answer(call, How.OK)
            self.now.settles()
        answer = self.now.answers.get(key)
        assert answer is not None, "the lead's click was not answered in time"
        if answer.name == "rolling_back":
            back = self._backs(subject)[-1]
            asked = [call.about for call in process.calls if call.kind == "start"] + list(
                self.now.ci.runs
            )
            assert any(run.startswith(f"{back}:") for run in asked), (
                f"{back} has not been started in time"
            )

    def _backs(self, subject: str) -> list[str]:
        return [
            row["id"]
            for row in self.now.promises.rows(
                "select id from deployment where undoes = ? order by number", subject
            )
        ]

    @invariant()
    def all_promises_hold(self) -> None:
        if self.world is not None:
            self.now.promises.all_hold()


def test_everybody_says_everything() -> None:
    said = {type(make("shop-1", "", "v2", "bo")) for make in acts.VERBS.values()}
    assert set(COMMANDS.values()) - said == {Help}, "a mention of the bot decides nothing"


def play(number: int) -> None:
    """Play what one seed brings. Whatever breaks a promise names it:
    ``play(number)`` plays the same again.
    """
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    some = settings(
        max_examples=AT_A_TIME + 1, stateful_step_count=STEPS,
        deadline=None, suppress_health_check=checks, database=None,
        phases=[Phase.generate], print_blob=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(number)(OnePlace), settings=some)
    except BaseException as error:
        error.add_note(f"seed {number}")
        raise


@pytest.mark.no_cover  # it tells what others tell, thousands of times
@pytest.mark.case("races-5", "races-6")
def test_whatever_happens_in_whatever_order_one_place_has_one_runner() -> None:
    rounds = -(-(EXAMPLES or FEW) // AT_A_TIME)
    first = secrets.randbelow(10**6) if EXAMPLES else 0
    began = time.monotonic()
    OnePlace.examples = OnePlace.steps = 0
    try:
        for number in range(first, first + rounds):
            play(number)
    finally:
        if EXAMPLES:
            took = time.monotonic() - began
            print(  # noqa: T201 - the figure
                f"\n{OnePlace.examples} examples, {OnePlace.steps} steps, seeds "
                f"from {first}, {took:.0f} s"
            )
        shutil.rmtree(_folder(), ignore_errors=True)
        _folder.cache_clear()
        scene.cache_clear()
