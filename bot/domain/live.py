"""What is live in an environment, by our own record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.declared import Declared, Origin
from bot.domain.deployment import DeploymentId
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
    def is_only_said(self) -> bool:
        """Tell whether nothing but somebody's word says that it is live: no numbers have verified it here since."""
        if self.declared is None or self.declared.origin is not Origin.SAID:
            return False
        return self.verified_at is None or self.verified_at <= self.declared.at
