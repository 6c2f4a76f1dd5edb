"""The automatic gates, each a function from facts to one gate. What is not known is never green."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.catalog import ChecklistItem, Freeze, GateKind, Need
from bot.domain.locks import Lock, locked_by
from bot.domain.offer import RollbackOffer
from bot.domain.people import Person
from bot.domain.readiness import REQUESTER, Confirmed, Gate, GateState

TITLES = {
    GateKind.TESTS: "tests green",
    GateKind.STAGED: "live and verified before",
    GateKind.ROLLBACK: "rollback ready",
    GateKind.UNLOCKED: "not locked",
    GateKind.UNFROZEN: "not frozen",
    GateKind.ON_CALL: "on-call knows",
}


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
    title, locked = TITLES[GateKind.UNLOCKED], locked_by(locks, now)
    if locked is None:
        return Gate(GateKind.UNLOCKED, title, GateState.GREEN, "no lock", need)
    lock = locked.lock
    return Gate(
        GateKind.UNLOCKED, title, GateState.OPEN, locked.sentence, need,
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
