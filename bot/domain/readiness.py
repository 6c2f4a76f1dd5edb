"""The readiness review: from facts to gates, from gates to a decision.

Facts come from providers and from people; what is not known is never green.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.domain.called import called, is_moved
from bot.domain.catalog import ChecklistItem, Freeze, GateKind, Need
from bot.domain.deployment import Acceptance
from bot.domain.locks import Lock
from bot.domain.people import Person

if TYPE_CHECKING:  # the card holds a review
    from bot.domain.card import RollbackOffer

REQUESTER = "requester"
"""The key of the gate that is there while whoever asked for a deployment
could not ask for it now.
"""
WATCHED = "watched"
"""The key of the gate that is there for as long as an earlier deployment is being watched
(``bot.domain.watching``).
"""


class GateState(StrEnum):
    """What a gate says."""

    GREEN = "green"
    OPEN = "open"  # something or somebody still has to act
    UNKNOWN = "unknown"  # no answer from the provider; blocks like OPEN and says so
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate in one review, ready to be shown.

    ``key`` is the automatic gate's kind or ``item:KEY`` for a checklist item; ``sentence`` is what
    was found, short enough for one line.
    """

    key: str
    title: str
    state: GateState
    sentence: str
    need: Need = Need.REQUIRED
    who: str = ""
    """Who can clear it, as people read it: a role's name or a person's mention key (``T…/U…``);
    empty when it clears by itself.
    """
    clears_at: datetime | None = None
    """When it clears by itself, if that is known."""
    by: Person | None = None
    """Who ticked, waived or acknowledged it."""
    at: datetime | None = None
    url: str = ""
    """The evidence."""
    again: bool = False
    """Whether what it judges can be asked for once more: tests that have failed, or
    of which nothing is heard.
    """
    first: str = ""
    """The environment to which the same commit can be deployed first, so that it opens; empty where
    that would be for nothing.
    """
    startable: str = ""
    """The correlation id of the test run that would answer it and that nobody
    but a deployment starts.
    """
    plan: str = ""
    """The plan that somebody has to confirm, or has confirmed, so that it opens
    (``rollback.plan_for``).
    """
    how: str = ""
    """The command that clears it, for whoever is named."""
    as_of: datetime | None = field(default=None, compare=False)
    """When the provider said so, where that was a while before the review. An answer that was asked
    for again says nothing new.
    """

    @property
    def blocks(self) -> bool:
        """Tell whether the deployment has to wait for this gate."""
        return self.need is Need.REQUIRED and self.state in {GateState.OPEN, GateState.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Review:
    """All gates at one moment."""

    at: datetime
    gates: tuple[Gate, ...]

    @property
    def blocking(self) -> tuple[Gate, ...]:
        """Name the gates that the deployment waits for."""
        return tuple(gate for gate in self.gates if gate.blocks)

    @property
    def is_ready(self) -> bool:
        """Tell whether nothing blocks."""
        return not self.blocking

    @property
    def is_ready_to_approve(self) -> bool:
        """Tell whether nothing blocks but the end of the watch before it:
        people can decide meanwhile.
        """
        return all(gate.key == WATCHED for gate in self.blocking)


# The automatic gates: each is a function from facts to one gate ---------------------------------

TITLES = {
    GateKind.TESTS: "tests green",
    GateKind.STAGED: "live and verified before",
    GateKind.ROLLBACK: "rollback ready",
    GateKind.UNLOCKED: "not locked",
    GateKind.UNFROZEN: "not frozen",
    GateKind.ON_CALL: "on-call knows",
}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """That somebody has confirmed the migrations' own plan, and in which words."""

    by: Person
    at: datetime
    reason: str


def quality_gate(
    state: str,
    sentence: str,
    url: str,
    need: Need,
    *,
    startable: str = "",
    again: bool = False,
    since: datetime | None = None,
) -> Gate:
    """Judge a commit's tests; only a provider that says ``green`` makes it green.

    ``again`` tells whether there was a run that can be run again, ``since`` when they began.
    """
    verdict = {
        "green": GateState.GREEN,
        "red": GateState.OPEN,
        "running": GateState.OPEN,
        "none": GateState.OPEN,
    }
    return Gate(
        GateKind.TESTS,
        TITLES[GateKind.TESTS],
        verdict.get(state, GateState.UNKNOWN),
        sentence,
        need,
        url=url,
        again=again,
        startable=startable,
        at=since,
    )


class Staged(StrEnum):
    """How a version that passes is live in the environment before; the gate's
    title says no more than that.
    """

    VERIFIED = "live and verified on {}"
    ACCEPTED = "live on {}, not verified"
    PUT_AGAIN = "verified here before"


def staged_title(before: str, how: Staged = Staged.VERIFIED) -> str:
    """Name the gate by what is true where it holds, and by what it asks for where it does not."""
    return how.format(before)


def staged_gate(
    *,
    before: str,
    coming: str = "",
    waits: str = "",
    version: str,
    live_version: str,
    is_same: bool,
    verified_at: datetime | None,
    accepted: str,
    need: Need,
    leaving: bool = False,
    commits: tuple[str, str] = ("", ""),
    said_by: Person | None = None,
    unclear: str = "",
    in_trouble: bool = False,
    kept: str = "",
) -> Gate:
    """Judge whether the same commit is live and verified in the environment ``before``; ``coming``
    brings it there, or ``waits`` itself.

    ``commits`` are the deployment's and the one that is live there: a tag that was moved since
    makes one version of two commits. ``said_by`` is on whose word it counts as live there;
    ``unclear`` says why it is not known what runs there; ``in_trouble`` whether its numbers there
    wait for its lead; ``kept`` what keeps the version out of there, so that nobody is sent there.

    A version that nobody could judge there (too little traffic, no metrics, live before the bot
    came) passes and says so; one that was let go on does not.
    """
    title = staged_title(before)
    if leaving:
        return Gate(
            GateKind.STAGED,
            title,
            GateState.OPEN,
            f"{version} is being rolled back on {before}",
            need,
        )
    if unclear:
        return Gate(
            GateKind.STAGED,
            title,
            GateState.UNKNOWN,
            f"it is unclear what runs on {before}: {unclear}",
            need,
        )
    if coming and (not is_same or said_by is not None):
        how = (
            f"is to bring {version} there, and {waits}" if waits else f"is bringing {version} there"
        )
        return Gate(GateKind.STAGED, title, GateState.OPEN, f"{coming} {how}", need)
    if not is_same:
        version, live_version = told_apart(version, live_version, commits)
        found = f"{live_version} is live there" if live_version else "nothing is live there"
        not_there = f"{version} is not live on {before}: {found}"
        if kept:
            return Gate(
                GateKind.STAGED,
                title,
                GateState.OPEN,
                f"{not_there}, and it cannot be brought there: {kept}",
                need,
            )
        return Gate(GateKind.STAGED, title, GateState.OPEN, not_there, need, first=before)
    if said_by is not None:
        return _said_gate(title, before, version, said_by, verified_at, need)
    if in_trouble:
        found = (
            f"{version} is live on {before}, and its lead decides there first: its "
            "numbers are worse or unclear"
        )
        return Gate(GateKind.STAGED, title, GateState.OPEN, found, need)
    return _proof_gate(title, before, version, accepted, verified_at, need)


def _proof_gate(
    title: str, before: str, version: str, accepted: str, verified_at: datetime | None, need: Need
) -> Gate:
    """Judge how what is live there ended its watch."""
    if verified_at is None and accepted in {
        Acceptance.LITTLE,
        Acceptance.UNWATCHED,
        Acceptance.ADOPTED,
    }:
        found = f"{version} is live on {before}, accepted without proof: {accepted}"
        return Gate(
            GateKind.STAGED, staged_title(before, Staged.ACCEPTED), GateState.GREEN, found, need
        )
    if verified_at is None and accepted:
        how = "let go on" if accepted == Acceptance.ON_WORD else "accepted"
        return Gate(
            GateKind.STAGED,
            title,
            GateState.OPEN,
            f"{version} is live on {before}, {how} there {accepted}: not verified",
            need,
        )
    if verified_at is None:
        return Gate(
            GateKind.STAGED,
            title,
            GateState.OPEN,
            f"{version} is live on {before} and still being watched",
            need,
        )
    return Gate(
        GateKind.STAGED,
        title,
        GateState.GREEN,
        f"{version} is live and verified on {before}",
        need,
        at=verified_at,
    )


def verified_here_gate(version: str, need: Need) -> Gate:
    """Pass what counts as live and was verified in this very place: put there again, it takes the
    place of whatever else gets requests.
    """
    found = (
        f"{version} was verified here and counts as live here: it takes the "
        "place of what else is there"
    )
    return Gate(GateKind.STAGED, Staged.PUT_AGAIN, GateState.GREEN, found, need)


def _said_gate(
    title: str, before: str, version: str, said_by: Person, verified_at: datetime | None, need: Need
) -> Gate:
    """Keep shut over what counts as live on somebody's word: what was proved there before proves
    nothing of what is there since.
    """
    found = f"{version} was never verified on {before}, only said to be live there"
    if verified_at is not None:
        found = f"{version} was verified on {before} before, and is only said to be live there now"
    return Gate(GateKind.STAGED, title, GateState.OPEN, found, need, by=said_by, first=before)


def told_apart(version: str, other: str, commits: tuple[str, str]) -> tuple[str, str]:
    """Add the short commits where two versions have one name and are not the same: a version is a
    name, the commit is what it is.
    """
    here, there = (version, commits[0]), (other, commits[1])
    if not is_moved(here, there):
        return version, other
    return called(*here, beside=[there]), f"{other} ({commits[1][:7]}; the name has moved since)"


def rollback_gate(offer: RollbackOffer, need: Need, *, mends: bool = False) -> Gate:
    """Judge whether there is a version to go back to: a verified one, or where none was ever
    verified an accepted one.

    What ``mends`` a place, where nothing but what is there now and is bad itself is left, is not
    kept out of it for that.
    """
    title = TITLES[GateKind.ROLLBACK]
    if mends and not offer.version:
        return Gate(
            GateKind.ROLLBACK, f"{title}, not by a button", GateState.GREEN, offer.refused, need
        )
    if offer.refused:
        return Gate(GateKind.ROLLBACK, title, GateState.OPEN, offer.refused, need)
    if not offer.is_known:
        sentence = (
            "whether a database migration lies between this version and "
            f"{offer.version} is not known"
        )
        return Gate(GateKind.ROLLBACK, title, GateState.UNKNOWN, sentence, need)
    if offer.verified_at is None and offer.accepted:
        found = (
            f"{offer.version} was accepted ({offer.accepted}), never verified; it can be "
            f"put back{_instead(offer)}"
        )
        return Gate(GateKind.ROLLBACK, f"{title}, not verified", GateState.GREEN, found, need)
    found = f"{offer.version} is verified and can be put back{_instead(offer)}"
    return Gate(GateKind.ROLLBACK, title, GateState.GREEN, found, need, at=offer.verified_at)


def _instead(offer: RollbackOffer) -> str:
    """Say what is passed over, and why, where something is known against it."""
    return f"; {offer.passed.sentence}" if offer.passed and offer.passed.why else ""


def not_its_own_gate(offer: RollbackOffer, version: str, need: Need) -> Gate:
    """Judge a way back that takes no plan of this version's: what failed there before it brought
    the migration, and that has a gate.
    """
    there = (
        f"{version} brings no migration that {offer.version} has not; what failed here has left "
        f"{_first_of(offer.undoes.migrations)}"
    )
    return Gate(
        GateKind.ROLLBACK,
        "way back: nothing of its own",
        GateState.GREEN,
        f"{there}, about which another gate asks",
        need,
    )


def put_again_gate(version: str, need: Need) -> Gate:
    """Judge a way back from what is recorded as live already, where there is no other: putting it
    there again takes none away.
    """
    sentence = (
        f"{version} is recorded as live here, and there is no other version that could be put "
        "back: putting it there again takes none away"
    )
    return Gate(GateKind.ROLLBACK, TITLES[GateKind.ROLLBACK], GateState.GREEN, sentence, need)


def plan_gate(
    offer: RollbackOffer,
    need: Need,
    *,
    who: str,
    confirmed: Confirmed | None,
    doubt: Doubtful | None = None,
) -> Gate:
    """Judge a way back that no button goes, because migrations would be left behind: somebody says
    that these have a plan of their own.

    That is no waiver: nothing goes back over a migration, and the card goes on saying so.
    """
    title, behind = "way back over migrations", _first_of(offer.undoes.migrations)
    if confirmed is None:
        leaves = f"going back to {offer.version} leaves {behind} behind"
        sentence = f"{leaves}; it takes the migration's own plan, not confirmed for this deployment"
        return Gate(
            GateKind.ROLLBACK, title, GateState.OPEN, sentence, need, who=who, plan=offer.plan
        )
    if doubt is not None:
        sentence = (
            f"going back over {behind} takes its own plan; what was confirmed "
            f"does not count: {doubt.why}"
        )
        return Gate(
            GateKind.ROLLBACK,
            title,
            doubt.state,
            sentence,
            need,
            who=who,
            by=confirmed.by,
            at=confirmed.at,
            plan=offer.plan,
        )
    sentence = f"going back over {behind} takes its own plan, confirmed: {confirmed.reason}"
    return Gate(
        GateKind.ROLLBACK, title, GateState.GREEN, sentence, need,
        who=who, by=confirmed.by, at=confirmed.at, plan=offer.plan
    )  # fmt: skip


def _first_of(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}" if paths else "a migration"


def unlocked_gate(locks: Sequence[Lock], now: datetime, need: Need) -> Gate:
    """Judge the locks that apply."""
    holding = [lock for lock in locks if lock.holds(now)]
    title = TITLES[GateKind.UNLOCKED]
    if not holding:
        return Gate(GateKind.UNLOCKED, title, GateState.GREEN, "no lock", need)
    lock = holding[0]
    return Gate(
        GateKind.UNLOCKED, title, GateState.OPEN, f"{lock.place} is locked: {lock.reason}", need,
        who=str(lock.by), clears_at=lock.until, by=lock.by, at=lock.at,
    )  # fmt: skip


def unfrozen_gate(freezes: Sequence[Freeze], environment: str, now: datetime, need: Need) -> Gate:
    """Judge the freezes, those of gonogo.yaml and those of the CI provider."""
    title = TITLES[GateKind.UNFROZEN]
    freeze = frozen_by(freezes, environment, now)
    if freeze is None:
        return Gate(GateKind.UNFROZEN, title, GateState.GREEN, "no freeze", need)
    sentence = f"{environment} is frozen: {freeze.reason}"
    return Gate(
        GateKind.UNFROZEN,
        title,
        GateState.OPEN,
        sentence,
        need,
        clears_at=freeze.end,
        at=freeze.start,
    )


def frozen_by(freezes: Sequence[Freeze], environment: str, now: datetime) -> Freeze | None:
    """Find the freeze that is in force; of several, the one that ends last."""
    in_force = [
        freeze
        for freeze in freezes
        if freeze.environment == environment and freeze.start <= now < freeze.end
    ]
    return max(in_force, key=lambda freeze: freeze.end, default=None)


def on_call_gate(
    person: Person | None,
    *,
    until: datetime | None,
    acknowledged_by: Person | None,
    at: datetime | None,
    need: Need,
) -> Gate:
    """Judge whether somebody is on call and knows. An acknowledgement by somebody whose
    shift is over does not count.
    """
    title = TITLES[GateKind.ON_CALL]
    if person is None:
        return Gate(GateKind.ON_CALL, title, GateState.OPEN, "nobody is on call", need)
    if acknowledged_by != person:
        return Gate(
            GateKind.ON_CALL,
            title,
            GateState.OPEN,
            "the person on call has not acknowledged",
            need,
            who=str(person),
        )
    return Gate(
        GateKind.ON_CALL,
        title,
        GateState.GREEN,
        "on call and informed",
        need,
        by=person,
        at=at,
        clears_at=until,
    )


def unknown_gate(kind: GateKind, sentence: str, need: Need) -> Gate:
    """Say that a provider did not answer; that is never green."""
    return Gate(kind, TITLES[kind], GateState.UNKNOWN, sentence, need)


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Why somebody's word does not count now, and whether that is known."""

    why: str
    is_known: bool = True

    @property
    def state(self) -> GateState:
        """Give the state of a gate that only this word would open."""
        return GateState.OPEN if self.is_known else GateState.UNKNOWN


def item_gate(
    item: ChecklistItem, *, by: Person | None, at: datetime | None, doubt: Doubtful | None = None
) -> Gate:
    """Show a checklist item, ticked or not; a tick in doubt does not count, and says why."""
    key = f"item:{item.key}"
    if by is None:
        return Gate(key, item.title, GateState.OPEN, "not ticked", item.need, who=item.role)
    if doubt is not None:
        return Gate(
            key,
            item.title,
            doubt.state,
            f"ticked, and it does not count: {doubt.why}",
            item.need,
            who=item.role,
            by=by,
            at=at,
        )
    return Gate(key, item.title, GateState.GREEN, "ticked", item.need, who=item.role, by=by, at=at)


def requester_gate(by: Person, *, has_left: bool) -> Gate:
    """Hold a deployment that whoever asked for it could not ask for now."""
    why = "is no member of the workspace any more" if has_left else "may not deploy any more"
    sentence = f"whoever asked for it {why}; cancel it, and have it asked for by somebody who may"
    return Gate(REQUESTER, "asked for by who may", GateState.OPEN, sentence, by=by)
