"""The card: everything that one deployment's card holds. What may be done with it is
in ``bot.domain.actions``.

The card is a pure function of the stored state. Services fill a ``Card``; ``bot.slack.cards`` draws
it; the same value is printed in the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.actions import Action, on_an_alarm, possible
from bot.domain.ahead import Ahead
from bot.domain.called import called
from bot.domain.catalog import AutomaticRollback
from bot.domain.changes import Changes
from bot.domain.declared import Declared
from bot.domain.deployment import Deployment, State
from bot.domain.hanging import Hanging, LateRun
from bot.domain.health import STALE, Snapshot, Verdict
from bot.domain.lasttime import LastTime
from bot.domain.locks import Lock
from bot.domain.passed import Passed
from bot.domain.people import Person
from bot.domain.readiness import Confirmed, Review
from bot.domain.rollout import Step, StepState, serving
from bot.domain.trouble import EVERYTHING, WATCH, ByItself, Sort, Trouble, by_itself
from bot.domain.watching import Watched, is_all_that_keeps
from bot.domain.wentback import WentBack
from bot.domain.whys import Why


@dataclass(frozen=True, slots=True)
class ApprovalNeed:
    """One approval rule and who has approved under it."""

    role: str
    count: int
    given: tuple[Person, ...] = ()

    @property
    def missing(self) -> int:
        """How many approvals are still needed."""
        return max(0, self.count - len(self.given))


@dataclass(frozen=True, slots=True)
class Uncounted:
    """An approval that does not count now, and why."""

    by: Person
    why: str


@dataclass(frozen=True, slots=True)
class RollbackOffer:
    """What the rollback button would do, in full; or why it cannot
    (``refused`` is then a sentence).
    """

    version: str = ""
    commit: str = ""
    verified_at: datetime | None = None
    undoes: Changes = field(default_factory=Changes)
    """The commits that the rollback takes away."""
    usual: timedelta | None = None
    """How long a rollback usually takes here; None when none has been seen."""
    refused: str = ""
    accepted: str = ""
    """How the target was accepted, if it was never verified; the dialog says so."""
    is_known: bool = True
    """Whether it is known what lies between. Where it is not, nothing goes back by itself."""
    plan: str = ""
    """What a confirmed plan is for (``rollback.plan_for``): migrations that would be left behind;
    empty where there are none.
    """
    is_own: bool = True
    """Whether these migrations are of this version itself, and not of
    what failed there before it.
    """
    confirmed: Confirmed | None = None
    """Who has confirmed that plan, and in which words."""
    passed: Passed | None = None
    """What was there before, where it goes back to another version."""
    cancels: str = ""
    """What was let go over it and has begun nothing: rolling back cancels that."""

    @property
    def is_possible(self) -> bool:
        """Tell whether the button can be offered."""
        return not self.refused


def is_shown_bad(trouble: Trouble | None, steps: Sequence[Step], *, is_verified: bool) -> bool:
    """Tell whether numbers or a failed run speak against a version: rolled back, it is quarantined.
    What was proved since is not judged.
    """
    if is_verified:
        return False
    was_degraded = trouble is not None and trouble.sort is Sort.DEGRADED
    return was_degraded or any(step.state is StepState.FAILED for step in steps)


@dataclass(frozen=True, slots=True)
class LetGo:
    """The lead's word that it may go on although the numbers do not say so."""

    by: Person
    reason: str
    where: str
    """The step's key, or ``watch``."""
    percent: int | None = None
    """Of that step."""
    is_outdated: bool = False
    """Whether it keeps standing there all the same, because it is worse now
    than what the word was for.
    """


@dataclass(frozen=True, slots=True)
class Kept:
    """Who keeps a rollout where it is, and how that is taken away."""

    kind: str
    """``places.Obstacle``."""
    by: Person | None = None
    at: datetime | None = None
    until: datetime | None = None
    """When it ends by itself."""
    who: tuple[str, ...] = ()
    """Who can take it away, in words."""
    how: str = ""
    """The command that does."""


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that a deployment's card shows."""

    deployment: Deployment
    now: datetime
    review: Review | None = None
    approvals: tuple[ApprovalNeed, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()
    approval_expires_at: datetime | None = None
    steps: tuple[Step, ...] = ()
    way_back: tuple[Step, ...] = ()
    """The steps of the rollback that undoes it."""
    strategy: str = ""
    """For people: ``canary 5 → 25 → 100 %``."""
    snapshot: Snapshot | None = None
    """The newest."""
    ended_with: Mapping[str, Verdict] = field(default_factory=dict)
    """What the last numbers said of each step that has been observed."""
    trouble: Trouble | None = None
    """What keeps the rollout where it is, by the numbers."""
    is_settled: bool = False
    """Whether the lead has let it go on over that."""
    standstill: str = ""
    """What keeps it from its next step, by the rules: a lock, a
    quarantine, an unclear environment.
    """
    kept: Kept | None = None
    """Who keeps it so, where somebody does, and who can take that away."""
    besides: str = ""
    """What keeps it whatever its numbers say, so that a word about them would let nothing go on."""
    let_go: LetGo | None = None
    doubt: str = ""
    """Why it is not clear what runs in the environment,"""
    is_doubt_own: bool = False
    """and whether that is what became of this deployment itself, and no
    run that is still followed.
    """
    last_time: LastTime | None = None
    """How the same version ended here the time before, as long as this one is coming."""
    is_again: bool = False
    """Whether the same commit, deployed there before, is what makes it unclear."""
    changes: Changes = field(default_factory=Changes)
    rollback: RollbackOffer = field(
        default_factory=lambda: RollbackOffer(refused="Nothing has been deployed yet.")
    )
    on_call_until: datetime | None = None
    """When the lead's on-call shift ends, if the lead is on call."""
    can_be_taken_over: bool = False
    """Whether somebody else than the lead is on call now."""
    waits_for: str = ""
    """The deployment that has the environment, while this one is queued."""
    ahead: Ahead | None = None
    """That deployment, as long as it waits itself."""
    watched: Watched | None = None
    """What is being watched in the environment, while this one waits to replace it."""
    hangs: Hanging | None = None
    failed_back: Deployment | None = None
    """Its newest rollback, if that has failed or was given up."""
    late: LateRun | None = None
    """Its run that takes longer than it should, while it rolls out."""
    meanwhile: Snapshot | None = None
    """While it is rolled back, or where that has failed: the newest numbers of what serves, which
    is itself or, until a smoke test has ended, what is put back.
    """
    lock: Lock | None = None
    quarantined: bool = False
    """Whether its commit is quarantined, here or by what happened elsewhere."""
    rolled_back_by: Person | None = None
    rolled_back_version: str = ""
    went_back: WentBack | None = None
    """Since when going back was asked for, and what came to nothing before."""
    why: Why | None = None
    """What was done to it that asks for a reason, and the reason."""
    live: str = ""
    """After a rollback: the version that is live now,"""
    live_since: datetime | None = None
    """since when (of what was away itself, and has been put back: since
    when it is live again), and
    """
    after: Snapshot | None = None
    """what its numbers said when they were looked at since; None when nobody has looked."""
    replaced_by: str = ""
    """The version that came right after it (or, of what was rolled back,
    after what was put back),
    """
    replaced_at: datetime | None = None
    """when, and"""
    replaced_on_word_of: Person | None = None
    """on whose word alone, where no deployment brought it."""
    declared: Declared | None = None
    """Who said that its commit is live again, though it is not what this deployment brought."""
    put_back_by: Person | None = None
    """Who put it back by a rollback, though it had failed."""
    is_to_undo: bool = False
    """Whether it has ended and is what a rollback in its place would undo, whatever
    was said to be live since.
    """
    automatic_rollback: AutomaticRollback = AutomaticRollback.OFF
    watched_by: tuple[Person, ...] = ()
    watch_until: datetime | None = None
    about_left: timedelta | None = None
    """An estimate of the time that the rollout still needs."""
    stages_take: Mapping[str, timedelta] = field(default_factory=dict)
    """Within which time nine of ten earlier runs had each stage of the run under way behind
    them, where that is known.
    """
    next_summary_at: datetime | None = None
    rollback_locks: bool = True
    """Whether a rollback locks the environment; the dialog says so."""

    @property
    def is_degraded(self) -> bool:
        """Tell whether the numbers of this very step, or of the watch, are worse than the baseline.
        A step that begins is not judged.
        """
        is_judged_so = self.judged is not None and self.judged.verdict is Verdict.DEGRADED
        return is_judged_so or (
            self.waits_for_word and self.trouble is not None and self.trouble.sort is Sort.DEGRADED
        )

    @property
    def stands_still(self) -> bool:
        """Tell whether the rules keep it now; until a step has been observed, or has trouble, they
        keep it only from the next one.
        """
        is_free = self.trouble is None or not self.trouble.is_open
        return (
            bool(self.standstill)
            and is_free
            and not any(step.is_under_way or step.is_held(self.now) for step in self.steps)
        )

    @property
    def needs_way_back(self) -> bool:
        """Tell whether something is the matter with what it brought."""
        return self.deployment.state is State.FAILED or (
            self.trouble is not None and self.trouble.is_open
        )

    @property
    def where(self) -> str:
        """Name what is under observation now: a step's key or ``watch``; empty for nothing."""
        if self.deployment.state is State.WATCHING:
            return "watch"
        if self.deployment.state is not State.ROLLING_OUT:
            return ""
        if self._in_question is not None:
            return self._in_question.where
        current = next(
            (step for step in self.steps if step.state not in {StepState.DONE, StepState.SKIPPED}),
            None,
        )
        return current.key if current is not None and current.state is StepState.HOLDING else ""

    @property
    def _in_question(self) -> Trouble | None:
        """What was found at the step that serves, wherever the next one is, as
        long as no word covers it.
        """
        if self.trouble is None or not self.trouble.is_open:
            return None
        if self.trouble.sort is not Sort.DEGRADED and not any(
            step.is_under_way for step in self.steps
        ):
            return None  # that is judged anew by the hold of the step that has come
        return None if self.is_settled else self.trouble

    @property
    def goes_on(self) -> Step | None:
        """Give the step whose run, or smoke test, is under way while something was found where it
        serves: that keeps neither.
        """
        return (
            next((step for step in self.steps if step.is_on_its_way), None)
            if self.waits_for_word
            else None
        )

    @property
    def judged(self) -> Snapshot | None:
        """The newest numbers, if they are of what is under observation now: that it was well before
        it was wholly there is not.
        """
        if self.snapshot is None or not self.where or self.snapshot.where != self.where:
            return None
        since = next((step.serves_since for step in self.steps if step.key == self.where), None)
        is_of_before = (
            since is not None
            and self.snapshot.at < since
            and self.snapshot.verdict is not Verdict.DEGRADED
        )
        return None if is_of_before else self.snapshot

    @property
    def is_silent(self) -> bool:
        """Tell whether the source of the numbers does not answer while they are of what the run
        under way has brought so far.
        """
        step = next((step for step in self.steps if step.is_under_way), None)
        is_of_it = (
            step is not None and self.snapshot is not None and self.snapshot.where == step.key
        )
        is_rolling = self.deployment.state is State.ROLLING_OUT and is_of_it
        return is_rolling and self.snapshot is not None and bool(self.snapshot.silence)

    @property
    def is_carried(self) -> bool:
        """Tell whether what was found has come along from an earlier step, whose numbers are the
        newest that say anything.
        """
        return (
            self.judged is None
            and self.waits_for_word
            and self.snapshot is not None
            and self.snapshot.where in self.ended_with
        )

    @property
    def is_back(self) -> bool:
        """Tell whether its rollback has put the other version back, so that nothing but
        its smoke test was missing.
        """
        return any(step.serves_since is not None for step in self.way_back)

    @property
    def is_given_up(self) -> bool:
        """Tell whether it has failed because its rollback, which hung, was given up."""
        return (
            self.deployment.state is State.FAILED
            and self.failed_back is not None
            and self.failed_back.was_given_up
        )

    @property
    def is_doubt_said(self) -> bool:
        """Tell whether that is what makes it unclear what runs, so that it is not said twice."""
        return self.is_given_up and self.is_doubt_own

    @property
    def is_history(self) -> bool:
        """Tell whether another deployment has come after it, so that what is
        unclear now is not about it.
        """
        return bool(self.replaced_by) and self.replaced_on_word_of is None

    @property
    def is_stale(self) -> bool:
        """Tell whether nothing has been there to judge by since the numbers that are shown: they
        have not been shown to be well again.
        """
        return self.judged is not None and self.is_degraded and self.now - self.judged.at > STALE

    @property
    def serving(self) -> int:
        """How many percent of the traffic the steps that are whole have given it."""
        return serving(self.steps)

    @property
    def part(self) -> int | None:
        """How many percent of the traffic a rollout that is not whole yet has given it; None where
        it has all or is just getting some.
        """
        is_part = self.deployment.state is State.ROLLING_OUT and not any(
            step.is_under_way for step in self.steps
        )
        return self.serving if is_part else None

    @property
    def version(self) -> str:
        """What it is called: with the short commit where what it replaces, or would be rolled
        back to, has the same name.
        """
        d = self.deployment
        return called(
            d.version,
            d.commit,
            beside=[(d.base_version, d.base_commit), (self.rollback.version, self.rollback.commit)],
        )

    @property
    def can_only_stop(self) -> bool:
        """Tell whether its lead can stop it, because nothing can be gone back to."""
        return self.deployment.is_in_part_there and not self.rollback.is_possible

    @property
    def was_asked_for(self) -> bool:
        """Tell whether a run of it has been asked for, whatever became of it."""
        return any(not step.is_untouched for step in self.steps)

    @property
    def target(self) -> str:
        """What a rollback would put back is called, likewise."""
        d = self.deployment
        return called(self.rollback.version, self.rollback.commit, beside=[(d.version, d.commit)])

    @property
    def is_shown_bad(self) -> bool:
        """Tell whether a rollback would quarantine it."""
        return is_shown_bad(
            self.trouble, self.steps, is_verified=self.deployment.state is State.VERIFIED
        )

    @property
    def stood_with(self) -> Snapshot | None:
        """The last numbers of the step before which it stands still: that one still serves."""
        is_of_a_step = self.snapshot is not None and self.snapshot.where in {
            self.where,
            *self.ended_with,
        } - {""}
        return self.snapshot if self.stands_still and is_of_a_step else None

    @property
    def ci_silent_since(self) -> datetime | None:
        """Since when the CI provider has not answered, or has refused, if
        something depends on it now.
        """
        return self._silent.silent_since if self._silent else None

    @property
    def ci_refusal(self) -> str:
        """What the CI provider says when it refuses; empty when it says nothing at all."""
        return self._silent.refusal if self._silent else ""

    @property
    def is_start_unknown(self) -> bool:
        """Tell whether it is not known if a run was started; it is looked for
        before anything is started.
        """
        return self._silent is not None and self._silent.is_under_way and not self._silent.run

    @property
    def _silent(self) -> Step | None:
        steps = {State.ROLLING_OUT: self.steps, State.ROLLING_BACK: self.way_back}.get(
            self.deployment.state, ()
        )
        asked = [step for step in (self.steps if self.stops_first else steps) if step.is_under_way]
        asked += self.way_back if self.stops_first else ()
        return next((step for step in asked if step.silent_since), None)

    @property
    def stops_first(self) -> bool:
        """Tell whether its rollback has not begun yet: what runs is stopped before."""
        return self.deployment.state is State.ROLLING_BACK and all(
            step.state is StepState.PENDING for step in self.way_back
        )

    @property
    def is_stopping(self) -> bool:
        """Tell whether a run of it is stopped before its rollback begins."""
        return self.stops_first and any(step.is_under_way for step in self.steps)

    @property
    def waits_at(self) -> str:
        """Name the stage whose gate can be opened from here."""
        return next((step.passable_stage for step in self._moving if step.passable_stage), "")

    @property
    def is_gate_kept(self) -> bool:
        """Tell whether that gate stays shut over what was found where it serves. A smoke test
        changes nothing, so its gate does not.
        """
        return self.waits_for_word and any(step.is_gated for step in self._moving)

    @property
    def is_kept_at_gate(self) -> bool:
        """Tell whether the rules keep that gate shut, and not only the next step."""
        return bool(self.standstill) and any(step.is_gated for step in self._moving)

    @property
    def gate(self) -> str:
        """Name that gate among all of the deployment (``Step.gate``)."""
        return next((step.gate for step in self._moving if step.gate), "")

    @property
    def _moving(self) -> tuple[Step, ...]:
        """The steps under way: its own, or those of the rollback that undoes it."""
        return self.way_back if self.deployment.state is State.ROLLING_BACK else self.steps

    @property
    def is_blind(self) -> bool:
        """Tell whether the rollout stands still because there are no numbers to judge by."""
        return (
            self.judged is not None
            and self.judged.verdict is Verdict.NO_DATA
            and bool(self.judged.findings)
        )

    @property
    def goes_on_word(self) -> bool:
        """Tell whether the lead has let it go on over what is found of it now."""
        return (
            self._is_found
            and self.let_go is not None
            and self.let_go.where == self.where
            and not self.let_go.is_outdated
        )

    @property
    def waits_for_word(self) -> bool:
        """Tell whether the lead's word would let it go on."""
        return self._is_found and not self.goes_on_word

    @property
    def by_itself(self) -> ByItself:
        """Say what lets it go on without a word."""
        has_all = self.where == WATCH or any(
            step.key == self.where and step.percent == EVERYTHING for step in self.steps
        )
        return by_itself(
            self.trouble,
            self.snapshot,
            is_first=not self.deployment.base_commit,
            has_all=has_all,
            besides=self.besides,
        )

    @property
    def _is_found(self) -> bool:
        return (
            self.trouble is not None
            and self.trouble.is_open
            and self.trouble.where == self.where != ""
        )

    @property
    def held_until(self) -> datetime | None:
        """Until when the step that is under observation has its own time,
        while that is still to come.
        """
        until = next((step.hold_until for step in self.steps if step.key == self.where), None)
        return until if until is not None and until > self.now else None

    @property
    def waits_for_watch(self) -> bool:
        """Tell whether it would go but for the watch of the deployment before."""
        return is_all_that_keeps(self.deployment.state, self.review)

    @property
    def can_go_now(self) -> bool:
        """Tell whether somebody can let it go without waiting for that watch."""
        return self.watched is not None and (self.waits_for_watch or self.deployment.is_only_let_go)

    @property
    def watch_comes_after(self) -> bool:
        """Tell whether it will wait for that watch once it is approved."""
        is_watched = (
            self.watched is not None and self.review is not None and not self.review.is_ready
        )
        return self.deployment.state is State.AWAITING_APPROVAL and is_watched

    @property
    def actions(self) -> tuple[Action, ...]:
        """The buttons that make sense now, in the order in which they are shown."""
        return possible(self)

    @property
    def decisions(self) -> tuple[Action, ...]:
        """The buttons of an alarm about this deployment, as things are now."""
        return on_an_alarm(self)
