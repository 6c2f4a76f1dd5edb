"""The lines of the status: what is live in each place, and what goes on there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from bot.domain.deployment import DeploymentId
from bot.domain.health import Snapshot
from bot.domain.live import Live
from bot.domain.locks import Lock
from bot.domain.readiness import Tally
from bot.domain.share import Beside, Share
from bot.ports.time import Json


@dataclass(frozen=True, slots=True)
class Silent:
    """That the CI provider does not answer, or refuses (``underway.Silence``)."""

    about: str
    since: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class StatusLine:
    """How an open deployment stands; people as ``T…/U…``, times as ISO 8601."""

    id: DeploymentId
    version: str
    state: str
    lead: str = ""
    undoes: DeploymentId = ""
    """For a rollback: the deployment that it undoes."""
    behind: DeploymentId = ""
    """The deployment that has the environment, while this one is queued."""
    tally: Tally | None = None
    """Its gates, once they have been looked at."""
    after: DeploymentId = ""
    """The deployment whose watch is all that it waits for."""
    decides: DeploymentId = ""
    """The deployment that is live there and whose lead has to decide about it first."""
    is_degraded: bool = False
    is_blind: bool = False
    """Whether it stands still because there are no numbers to judge by."""
    goes_on: bool = False
    """Whether it goes on all the same, because its lead has let it."""
    waits_for_word: bool = False
    """Whether it waits for its lead to let it,"""
    by_itself: str = ""
    """and what lets it go on without that, as a sentence goes on: until the lead decides
    or …; empty for nothing.
    """
    countdown_until: str = ""
    percent: int = 0
    """How many percent of the traffic the steps that are whole have given it."""
    keeps: str = ""
    """Why it stands still before its next step; empty where it does not."""
    late: int = 0
    """Of how many percent the run, or smoke test, under way is where that takes
    longer than it should, and
    """
    late_since: str = ""
    """since when it has been going; empty where none does."""
    is_smoke_late: bool = False
    no_further: str = ""
    """What keeps it from going on once its run under way has ended, as a sentence;
    empty where nothing does.
    """
    quarantined: str = ""
    """Why it is quarantined, where its last run is under way; empty where it is not."""
    silence: Silent | None = None
    """That the CI provider does not answer, where it depends on that now."""


@dataclass(frozen=True, slots=True)
class GoingBack:
    """A rollback under way in a place: from what to what. All that the status says of it is said
    of this, and the lines of what is open there hold neither of the two.
    """

    rollback: DeploymentId
    version: str
    """What it puts back,"""
    undoes: DeploymentId
    leaving: str
    """and what it takes away."""
    lead: str = ""
    silence: Silent | None = None


@dataclass(frozen=True, slots=True)
class WayOut:
    """How one gets rid of what is live in a place; people as ``T…/U…``."""

    environment: str
    how: str
    """``rollback.Leaving``."""
    deployment: DeploymentId = ""
    """What is to be rolled back, and by whom; empty where nobody leads it."""
    lead: str = ""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A version that is under way in a place: what it has there, and who can take it away or stop
    it; people as ``T…/U…``.
    """

    environment: str
    deployment: DeploymentId
    how: str
    """``rollback.Leaving``."""
    who: tuple[str, ...]
    """Who can do that; empty where nobody leads it."""
    is_begun: bool
    percent: int
    coming: int
    """Likewise as in ``share.Brought``."""

    @property
    def facts(self) -> dict[str, Json]:
        """Give it as JSON values."""
        return {**asdict(self), "how": str(self.how), "who": list(self.who)}


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One line of ``/deploy status``."""

    service: str
    environment: str
    live: Live | None
    open: tuple[StatusLine, ...] = ()
    """What is under way there but for a rollback and what that undoes."""
    locks: tuple[Lock, ...] = ()
    frozen_until: datetime | None = None
    frozen_because: str = ""
    unclear: str = ""
    """Why it is not known what runs there; empty when it is. Then ``live`` is
    only what was recorded last.
    """
    can_roll_back: bool = False
    """Whether there is something there then that ``/rollback`` takes."""
    snapshot: Snapshot | None = None
    """The newest numbers of what is live; None when nobody has looked at them."""
    quarantined: str = ""
    """Why what is live is quarantined; empty when it is not. Then"""
    way_out: WayOut | None = None
    """how it goes from there."""
    share: Share | None = None
    """What it has of the requests, while another rolls out over it or a rollback is under way."""
    serves: Beside | None = None
    """What else serves there, or serves instead of it."""
    going_back: GoingBack | None = None
    """The rollback under way there."""
    held_by: DeploymentId = ""
    """What is under way there, whose end somebody's word for what is live
    waits for; empty for nothing.
    """
    can_deploy: bool = False
    """Whether what somebody asks for now goes there although it is unclear what runs."""
    extra: Mapping[str, Any] = field(default_factory=dict)
