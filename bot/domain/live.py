"""What is live in an environment, by our own record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.domain.declared import Declared, Origin
from bot.domain.deployment import AT_REST, MOVING, Deployment, DeploymentId, Kind, State
from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class Live:
    """What is live in an environment, by our own record."""

    service: str
    environment: str
    commit: str
    version: str
    since: datetime
    deployment: DeploymentId
    by: Person
    verified_at: datetime | None = None
    accepted: str = ""
    """How it was accepted, if it was not verified (``Acceptance``)."""
    declared: Declared | None = None
    """Who declared it live, where that is how it is known."""

    @property
    def said(self) -> Declared | None:
        """Give the word that made it what is live, where a word did."""
        return (
            self.declared
            if self.declared is not None and self.declared.origin is Origin.SAID
            else None
        )

    @property
    def was_said(self) -> bool:
        """Tell whether somebody's word made it what is live."""
        return self.said is not None

    @property
    def brought(self) -> str:
        """Give the commit that a deployment has brought; empty where it was only declared."""
        return self.commit if self.deployment else ""

    @property
    def is_only_said(self) -> bool:
        """Tell whether nothing but somebody's word says that it is live: no numbers
        have verified it here since.
        """
        return self.said is not None and (
            self.verified_at is None or self.verified_at <= self.said.at
        )


def stands_on(newest_first: Iterable[Deployment], live: Live | None) -> Deployment | None:
    """Find the deployment that a place stands on, among those to it, newest first."""
    return next((each for each in newest_first if is_there(each, live)), None)


def is_there(deployment: Deployment, live: Live | None) -> bool:
    """Tell whether something of a deployment is in its place, or may be.

    What was let go and has begun nothing is not there yet; what failed is, unless something else
    has become live since. What ended with somebody's word is what the word was about. What has
    ended its watch is there while it is what has brought the live commit.
    """
    if deployment.kind is not Kind.FORWARD:
        return False
    if deployment.state in MOVING:
        return not deployment.is_only_let_go
    if deployment.state is State.FAILED:
        at = deployment.state_since
        return live is None or (at > live.since if live.was_said else at >= live.since)
    return (
        deployment.state in AT_REST and live is not None and deployment.commit == live.brought != ""
    )
