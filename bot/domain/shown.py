"""What somebody saw when they decided: a short digest that a button carries and that is computed
again when it is pressed.

Each action binds what its decision is about, and nothing that the card does not show; so a card
that looks the same has the same digest, and a decision on something older is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from bot.domain.actions import BINDS, Action
from bot.domain.card import Card
from bot.domain.deployment import AT_REST, Deployment
from bot.domain.readiness import Review
from bot.domain.trouble import Trouble

ENDED = "its watch has ended"


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that a decision can be about, as it is at one moment."""

    commit: str = ""
    named: str = ""
    """What the commit is called there."""
    base: str = ""
    """What is live, and so what changes."""
    strategy: str = ""
    gates: str = ""
    target: str = ""
    """What a rollback would put back."""
    rest: str = ""
    """That its watch has ended: to roll it back is then another decision."""
    finding: str = ""
    lock: str = ""
    lead: str = ""
    plan: str = ""
    """The migrations' own plan that somebody confirms."""
    gate: str = ""
    """The pipeline's own gate."""
    doubt: str = ""
    """Why it is not known what is live."""
    begun: str = ""
    """That something of it may be there: to cancel it is then to stop it."""
    deed: str = ""
    """What was done to it that asks for a reason (``whys.Why.mark``)."""
    watched: str = ""
    """The deployment whose watch would be cut short, and what is the matter with it."""


def token(action: Action, seen: Seen) -> str:
    """Digest what somebody saw: eight hexadecimal digits."""
    about = "\n".join([action, *(f"{name}={getattr(seen, name)}" for name in BINDS[action])])
    return sha256(about.encode(errors="replace")).hexdigest()[:8]


def gates_of(review: Review | None) -> str:
    """Name the gates and what each says."""
    return " ".join(f"{gate.key}:{gate.state}" for gate in review.gates) if review else ""


def finding_of(trouble: Trouble | None) -> str:
    """Name a finding as it is shown: what gets worse besides makes it another picture."""
    return f"{trouble.number} {trouble.where} {len(trouble.bad)}" if trouble else ""


def begun(deployment: Deployment) -> str:
    """Say whether something of a deployment may be there."""
    return "" if deployment.has_touched_nothing else "begun"


def rest(deployment: Deployment) -> str:
    """Say whether a deployment has ended its watch."""
    return ENDED if deployment.state in AT_REST else ""


def seen_on(card: Card) -> Seen:
    """Say what a card shows."""
    deployment = card.deployment
    return Seen(
        commit=deployment.commit,
        base=deployment.base_commit,
        strategy=deployment.strategy,
        gates=gates_of(card.review),
        target=card.hangs.mark if card.hangs else card.rollback.commit,
        rest=rest(deployment),
        finding=finding_of(card.trouble),
        lock=card.lock.mark if card.lock else "",
        lead=str(deployment.lead or ""),
        plan=card.rollback.plan,
        gate=card.under_way.gate,
        begun=begun(deployment),
        deed=card.why.mark if card.why else "",
        watched=card.watched.shown if card.watched else "",
    )
