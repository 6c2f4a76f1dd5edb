"""The card: everything that one deployment's card holds. What may be done with it is
in ``bot.domain.actions``.

The card is a pure function of the stored state. Services fill a ``Card``; ``bot.slack.cards`` draws
it; the same value is printed in the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.actions import Action, on_an_alarm, possible
from bot.domain.ahead import Ahead
from bot.domain.approvals import ApprovalNeed, Uncounted
from bot.domain.called import called
from bot.domain.catalog import AutomaticRollback
from bot.domain.changes import Changes
from bot.domain.declared import Declared
from bot.domain.deployment import OVER, Deployment, State
from bot.domain.hanging import Hanging, LateRun
from bot.domain.health import STALE, Snapshot, Verdict, shows_requests
from bot.domain.keeping import Kept, LetGo
from bot.domain.lasttime import LastTime
from bot.domain.locks import Lock
from bot.domain.observation import (
    is_shown_bad,
    is_silent_about_the_run,
    numbers_of,
    under_observation,
)
from bot.domain.offer import RollbackOffer
from bot.domain.people import Person
from bot.domain.readiness import Review
from bot.domain.rollout import Overrun, Step, serving
from bot.domain.share import Brought, part_of
from bot.domain.trouble import EVERYTHING, WATCH, ByItself, Sort, Trouble, by_itself
from bot.domain.underway import Silence, UnderWay, silence_of
from bot.domain.watching import Watched, is_all_that_keeps
from bot.domain.wentback import WentBack
from bot.domain.whys import Why


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
    zone: str = ""
    """The lead's time zone, for what is asked back in plain text; empty where it is not known."""
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
    stood_before: str = ""
    """How it stood, where it has not failed itself and only its rollback has."""
    failed_back: Deployment | None = None
    """Its newest rollback, if that has failed or was given up."""
    late: LateRun | None = None
    """Its run that takes longer than it should, while it rolls out."""
    meanwhile: Snapshot | None = None
    """While it is rolled back, or where that has failed: the newest numbers of what serves, which
    is itself or, until a smoke test has ended, what is put back.
    """
    lock: Lock | None = None
    """The lock that its rollback set, while it holds."""
    other_locks: int = 0
    """How many others hold the place beside it."""
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
    overrun: Overrun | None = None
    """Set while the run under way takes longer than such runs did before."""
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
        return under_observation(
            self.deployment.state, self.steps, self.trouble, is_settled=self.is_settled
        )

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
        return numbers_of(self.where, self.snapshot, self.steps)

    @property
    def is_silent(self) -> bool:
        """Tell whether the source of the numbers does not answer while they are of what the run
        under way has brought so far.
        """
        is_rolling = self.deployment.state is State.ROLLING_OUT
        return is_rolling and is_silent_about_the_run(self.snapshot, self.steps)

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
    def shows_requests(self) -> bool | None:
        """Tell whether its newest numbers show anything of it; None where there are none."""
        return shows_requests([self.snapshot]) if self.snapshot is not None else None

    @property
    def serving(self) -> int:
        """How many percent of the traffic the steps that are whole have given it."""
        return serving(self.steps)

    @property
    def part(self) -> Brought | None:
        """What part of the traffic a rollout that is not whole yet has given it; None where it has
        all.
        """
        return part_of(self.deployment, self.steps)

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
    def under_way(self) -> UnderWay:
        """What is under way of it: its own steps, or those of the rollback that undoes it."""
        return UnderWay(self.deployment.state, self.steps, self.way_back)

    @property
    def silence(self) -> Silence | None:
        """That the CI provider does not answer, where the deployment depends on it now."""
        return silence_of(self.deployment, self.under_way)

    @property
    def is_at_rest(self) -> bool:
        """Tell whether it stays as it is for days: it says no time without its day."""
        return self.deployment.state in OVER

    @property
    def is_gate_kept(self) -> bool:
        """Tell whether that gate stays shut over what was found where it serves. A smoke test
        changes nothing, so its gate does not.
        """
        return self.waits_for_word and self.under_way.is_gated

    @property
    def is_kept_at_gate(self) -> bool:
        """Tell whether the rules keep that gate shut, and not only the next step."""
        return bool(self.standstill) and self.under_way.is_gated

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
