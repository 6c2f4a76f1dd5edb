"""The gate of the environment before: the same commit has to be live and verified there."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from bot.domain.called import called, is_moved
from bot.domain.catalog import GateKind, Need
from bot.domain.deployment import Acceptance
from bot.domain.people import Person
from bot.domain.readiness import Gate, GateState


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
        return _shut(title, f"{version} is being rolled back on {before}", need)
    if unclear:
        found = f"it is unclear what runs on {before}: {unclear}"
        return Gate(GateKind.STAGED, title, GateState.UNKNOWN, found, need)
    if coming and (not is_same or said_by is not None):
        how = (
            f"is to bring {version} there, and {waits}" if waits else f"is bringing {version} there"
        )
        return _shut(title, f"{coming} {how}", need)
    if not is_same:
        version, live_version = told_apart(version, live_version, commits)
        return _absent_gate(title, before, version, live_version, kept, need)
    if said_by is not None:
        return _said_gate(title, before, version, said_by, verified_at, need)
    if in_trouble:
        found = (
            f"{version} is live on {before}, and its lead decides there first: its "
            "numbers are worse or unclear"
        )
        return _shut(title, found, need)
    return _proof_gate(title, before, version, accepted, verified_at, need)


def _shut(title: str, found: str, need: Need) -> Gate:
    return Gate(GateKind.STAGED, title, GateState.OPEN, found, need)


def _absent_gate(
    title: str, before: str, version: str, live_version: str, kept: str, need: Need
) -> Gate:
    """Keep shut over what is not there; where it cannot be brought there, nobody is sent."""
    found = f"{live_version} is live there" if live_version else "nothing is live there"
    not_there = f"{version} is not live on {before}: {found}"
    if kept:
        return _shut(title, f"{not_there}, and it cannot be brought there: {kept}", need)
    return Gate(GateKind.STAGED, title, GateState.OPEN, not_there, need, first=before)


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
