"""A place is a service in an environment: what keeps a deployment from going forward there,
and who may start a run.

One rule serves every door: the gates, the go, each start of a run and the end of the watch ask
``obstacles`` with what the store holds at that moment, inside the transaction that acts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.deployment import WAITING, Deployment, DeploymentId, Kind, State, is_of
from bot.domain.locks import Lock, locked_by
from bot.domain.people import Person
from bot.domain.rollback import Passage, Way


class Unclear(StrEnum):
    """Why nobody can say what runs in a place."""

    FAILED = "failed"  # a deployment or a rollback stopped in the middle
    # a run that was given up has not been seen to end, or ended after the one
    # that replaced it had begun
    STRAY = "stray"
    SEEN = "seen"  # another version than the one that was said to be live still got requests
    RESTORED = "restored"  # the database is older than what happened


@dataclass(frozen=True, slots=True)
class Doubt:
    """That it is not clear what runs in a place, why, and since when."""

    kind: Unclear
    why: str
    since: datetime
    deployment: DeploymentId = ""
    seen: tuple[str, ...] = ()
    """The commits that got requests although another version was said to be
    live. No word forgets them.
    """


_GRAVITY = (Unclear.SEEN, Unclear.FAILED, Unclear.STRAY, Unclear.RESTORED)
"""The doubts by what ends them: somebody's next deployment is an answer to the first two,
and to none of the others.
"""


def graver(old: Doubt | None, new: Doubt) -> Doubt:
    """Give what is in doubt where something more has come to make it so: the graver of the two,
    since the later of both.
    """
    if old is None:
        return new
    worse = new if _GRAVITY.index(new.kind) >= _GRAVITY.index(old.kind) else old
    seen = tuple(dict.fromkeys((*old.seen, *new.seen)))
    return replace(worse, since=max(old.since, new.since), seen=seen)


@dataclass(frozen=True, slots=True)
class Stray:
    """A run that was given up and has not been seen to end."""

    service: str
    environment: str
    run: str
    deployment: DeploymentId
    step: str
    since: datetime
    url: str = ""
    unanswered: bool = False
    """Whether its start has not been answered: ``run`` is then the name of the intent, by
    which the run is looked for.
    """

    @property
    def in_words(self) -> str:
        """Say what is not known about it."""
        if self.unanswered:
            return (
                f"whether a run of {self.deployment} was started before it was "
                "stopped is not known yet"
            )
        return f"a run of {self.deployment} that was cut off has not been seen to end"


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to start one run, now. A place's newest permit alone counts; whoever
    seizes the place ends it.
    """

    service: str
    environment: str
    epoch: int
    deployment: DeploymentId
    step: str


class Obstacle(StrEnum):
    """What keeps a deployment from going forward."""

    UNCLEAR = "unclear"
    LOCKED = "locked"
    QUARANTINED = "quarantined"
    BACKWARDS = "backwards"
    UNKNOWN_WAY = "unknown way"
    # by a watch that nobody's word is for: only what was let go and has begun
    # nothing is kept by it here
    WATCHED = "watched"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One obstacle as it is now; ``sentence`` says what it is and what to do."""

    kind: Obstacle
    sentence: str
    by: Person | None = None
    at: datetime | None = None
    clears_at: datetime | None = None
    how: str = ""
    """The command that takes it away, where one does and the sentence does not say it."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """That a commit is quarantined: why, by whom, and since when."""

    reason: str
    by: Person
    at: datetime


@dataclass(frozen=True, slots=True)
class Ground:
    """What the store knows at one moment about the place that a deployment is for."""

    holder: DeploymentId
    """Who has the claim; empty for nobody."""
    live_commit: str
    """What is live; empty for nothing."""
    live_version: str
    locks: tuple[Lock, ...] = ()
    quarantine: str = ""
    """Why the deployment's commit is quarantined; empty when it is not."""
    quarantined: Quarantined | None = None
    """Also by whom, and since when."""
    doubt: Doubt | None = None
    strays: tuple[Stray, ...] = ()
    failed_commit: str = ""
    """The commit whose failure has made it unclear what runs; empty where none has."""

    @property
    def is_clear(self) -> bool:
        """Tell whether it is known what runs."""
        return self.doubt is None and not self.strays

    @property
    def in_words(self) -> str:
        """Say why it is not known; empty when it is."""
        if self.strays:
            return self.strays[0].in_words
        return self.doubt.why if self.doubt else ""

    @property
    def way_on(self) -> str:
        """Say what helps against a run that was given up, which nobody's word ends;
        empty where there is none.
        """
        return (
            "; if it hangs, end it at the CI provider"
            if self.strays and not self.strays[0].unanswered
            else ""
        )


def obstacles(
    deployment: Deployment, ground: Ground, way: Way | None, now: datetime
) -> tuple[Hindrance, ...]:
    """Name everything that keeps a deployment from going forward, in the order in which it matters.

    ``way`` says what lies between what is live and the deployment's commit; None where it has begun
    already and that is settled.
    """
    found = [
        _unclear(deployment, ground),
        _locked(ground, now),
        _quarantined(deployment, ground),
        _way(deployment, ground, way),
    ]
    return tuple(hindrance for hindrance in found if hindrance is not None)


def _unclear(deployment: Deployment, ground: Ground) -> Hindrance | None:
    place = f"{deployment.service} {deployment.environment}"
    if any(not is_of(stray.deployment, deployment.id) for stray in ground.strays):
        why = f"it is unclear what runs: {ground.in_words}; if it hangs, end it at the CI provider"
        return Hindrance(Obstacle.UNCLEAR, why, at=ground.strays[0].since)
    doubt = ground.doubt
    if doubt is None or is_of(doubt.deployment, deployment.id) or is_answer_to(deployment, doubt):
        return None
    how = (
        f"{_instead(deployment, ground, doubt)}say what is live: /deploy live "
        f"{place} is REF because TEXT"
    )
    return Hindrance(
        Obstacle.UNCLEAR, f"it is unclear what runs: {doubt.why}; {how}", at=doubt.since
    )


def _instead(deployment: Deployment, ground: Ground, doubt: Doubt) -> str:
    """Say what else helps than somebody's word: what waits is the answer once it is asked for anew,
    if it is not itself what failed.
    """
    if not may_be_answered(doubt):
        return ""
    card = "its card says whether it goes back; " if doubt.kind is Unclear.FAILED else ""
    if not deployment.has_touched_nothing:
        return f"{card or 'deploy what should be there, '}or "
    if ground.quarantine or ground.failed_commit == deployment.commit:
        return f"{card}deploy another version, or "
    anew = f": /deploy {deployment.service} {deployment.version} to {deployment.environment}"
    how = (
        f"ask for it anew{anew}"
        if deployment.state in WAITING
        else f"cancel it and ask for it anew{anew}"
    )
    return f"{card}if this is the answer to it, {how}; or "


def may_be_answered(doubt: Doubt) -> bool:
    """Tell whether a deployment that somebody asks for can be the answer to it."""
    return doubt.kind in {Unclear.FAILED, Unclear.SEEN}


def is_answer_to(deployment: Deployment, doubt: Doubt) -> bool:
    """Tell whether somebody asked for a deployment knowing of the failure: it is then their answer
    to it. What waited before is none.
    """
    return may_be_answered(doubt) and deployment.asked_at > doubt.since


def _locked(ground: Ground, now: datetime) -> Hindrance | None:
    locked = locked_by(ground.locks, now)
    if locked is None:
        return None
    lock = locked.lock
    how = f"/deploy unlock {lock.service or 'all'} {lock.environment}"
    return Hindrance(
        Obstacle.LOCKED,
        locked.sentence,
        by=lock.by,
        at=lock.at,
        clears_at=lock.until,
        how=how,
    )


def _quarantined(deployment: Deployment, ground: Ground) -> Hindrance | None:
    if not ground.quarantine:
        return None
    how = f"/deploy unquarantine {deployment.service} {deployment.version} because TEXT"
    known, why = ground.quarantined, f"{deployment.version} is quarantined: {ground.quarantine}"
    return Hindrance(
        Obstacle.QUARANTINED,
        why,
        by=known.by if known else None,
        at=known.at if known else None,
        how=how,
    )


def _way(deployment: Deployment, ground: Ground, way: Way | None) -> Hindrance | None:
    if way is None or way.passage is Passage.FREE or not (ground.live_commit or way.beside):
        return None
    there = ground.live_version or "what failed here"
    if way.passage is Passage.UNKNOWN:
        return Hindrance(Obstacle.UNKNOWN_WAY, way.sentence(there, deployment.version))
    where = there if way.of in {"", ground.live_commit} else "what failed here"
    has = f"{way.brought_by} brought" if way.brought_by else f"{where} has"
    sentence = (
        f"{has} {way.path or 'a migration'}, which {deployment.version} has not: "
        "deploy a version that has it"
    )
    return Hindrance(Obstacle.BACKWARDS, sentence)


def is_left(shown: Deployment, doubt: Doubt | None, commit: str) -> bool:
    """Tell whether a deployment ends when this commit is what is live instead.

    One that is watched ends, because it is not there. One that rolls out ends where it is under way
    only because the database was put back from a copy, or where its numbers are bad and no button
    goes back. A rollback goes on, and ends by itself.
    """
    if shown.kind is not Kind.FORWARD or shown.state not in {State.ROLLING_OUT, State.WATCHING}:
        return False
    if shown.state is State.WATCHING:
        return shown.commit != commit
    return doubt is not None and (
        is_of(doubt.deployment, shown.id)
        or (doubt.kind is Unclear.RESTORED and shown.state_since <= doubt.since)
    )
