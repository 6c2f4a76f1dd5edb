"""What is read of what is stored: readers by subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.audit import Entry
from bot.domain.changes import Changes
from bot.domain.decisions import Decision, Mark
from bot.domain.declared import Declared, Left, Replaced
from bot.domain.deployment import Deployment, DeploymentId, Kind
from bot.domain.health import Snapshot
from bot.domain.live import Live
from bot.domain.locks import Lock
from bot.domain.normal import Normal
from bot.domain.places import Doubt, Ground, Quarantined, Stray
from bot.domain.readiness import Review
from bot.domain.rollback import Way
from bot.domain.rollout import Step
from bot.domain.trouble import Trouble
from bot.ports.talk import Answer, Message


@dataclass(frozen=True, slots=True)
class Forgotten:
    """That the database was replaced by another one, which knows nothing of what was done between
    its end and that moment.
    """

    at: datetime
    ends_at: datetime | None
    """When its newest entry was written; None where there was none."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened to a deployment. Of very much, the middle is left out, and
    how much that was is known.
    """

    begin: tuple[Entry, ...]
    left_out: int = 0
    end: tuple[Entry, ...] = ()


class DeploymentReader(Protocol):
    """Reads deployments."""

    async def deployment(self, id: DeploymentId) -> Deployment | None:
        """Read one deployment."""
        ...

    async def open_deployments(
        self, service: str = "", environment: str = ""
    ) -> tuple[Deployment, ...]:
        """List the deployments whose runbook still has work to do, oldest first."""
        ...

    async def watched(self, service: str, environment: str) -> Deployment | None:
        """Find the deployment that is live in a place and is still being watched."""
        ...

    async def changed_since(self, at: datetime) -> tuple[Deployment, ...]:
        """List the deployments whose state changed since a moment, newest first."""
        ...

    async def history(
        self, service: str, environment: str = "", limit: int = 10
    ) -> tuple[Deployment, ...]:
        """List deployments and rollbacks, newest first; what was refused when its ref was looked up
        late has never been one.
        """
        ...

    async def landed_between(self, start: datetime, end: datetime) -> tuple[Deployment, ...]:
        """List forward deployments that went live in a span of time, oldest first."""
        ...

    async def of_commit(
        self, service: str, commit: str, limit: int = 20, kinds: Sequence[Kind] = (Kind.FORWARD,)
    ) -> tuple[Deployment, ...]:
        """List the newest deployments of a commit, of these kinds, newest first."""
        ...

    async def rollback_of(self, id: DeploymentId) -> Deployment | None:
        """Read the newest rollback that undoes a deployment."""
        ...

    async def put_back(self, service: str, environment: str, commit: str) -> Deployment | None:
        """Read the newest rollback that has put a commit back in a place."""
        ...

    async def newest_started(self, service: str, environment: str) -> Deployment | None:
        """Read the newest forward deployment that has touched an
        environment, whatever became of it.
        """
        ...

    async def deployments_of_run(self, run: str) -> tuple[Deployment, ...]:
        """List the open deployments with a step that has this CI run; of two vendors' runs
        with the same number, both.
        """
        ...

    async def waiting_with(self, commit: str) -> tuple[Deployment, ...]:
        """List the deployments that wait with this commit to begin, whatever their service."""
        ...


class PlaceReader(Protocol):
    """Reads what is so of an environment of a service."""

    async def holder(self, service: str, environment: str) -> DeploymentId:
        """Name the deployment that has the environment's claim; empty for none."""
        ...

    async def live(self, service: str, environment: str) -> Live | None:
        """Read what is live."""
        ...

    async def declared(
        self, service: str, environment: str = "", limit: int = 10
    ) -> tuple[Declared, ...]:
        """List what was declared live, newest first."""
        ...

    async def current(self, service: str, environment: str) -> Deployment | None:
        """Read the deployment that an environment stands on: the one that moves it, has failed in
        it, or brought what is live.

        None when nothing was deployed here, or when what is live was declared, or put back from
        before what can be undone.
        """
        ...

    async def replaced(self, id: DeploymentId) -> Replaced | None:
        """Say what came right after a deployment or a rollback in its place; None while it is
        what is there, or is again.
        """
        ...

    async def left_by_hand(self, service: str, environment: str) -> tuple[Left, ...]:
        """List the versions that somebody has gone back from by hand and that no rollback
        puts back, newest first.
        """
        ...

    async def ground(self, deployment: Deployment) -> Ground:
        """Read what decides, at this moment, whether a deployment may go forward in its place."""
        ...

    async def doubt(self, service: str, environment: str) -> Doubt | None:
        """Say why it is not clear what runs in a place; None when it is clear."""
        ...

    async def strays(self, service: str, environment: str = "") -> tuple[Stray, ...]:
        """List the runs that were given up and have not been seen to end, oldest first."""
        ...

    async def locks(self, service: str = "", environment: str = "") -> tuple[Lock, ...]:
        """List the locks that apply to a service and environment (also those on all
        services), or all of them.
        """
        ...


class VersionReader(Protocol):
    """Reads what is known of versions."""

    async def was_verified(self, deployment: Deployment) -> bool:
        """Tell whether the commit was proved here since a deployment of it began, also where a
        rollback has put it back since.
        """
        ...

    async def known_as(self, service: str, version: str) -> tuple[str, ...]:
        """List the commits that a version has been the name of, newest first."""
        ...

    async def once_called(self, service: str, name: str) -> tuple[str, ...]:
        """List the commits that a name has meant here, newest first: also those that have been told
        apart from the first by a name of their own.
        """
        ...

    async def pinned(self, service: str, ref: str) -> tuple[str, ...]:
        """List the commits that were pinned here by a version's name, or
        that begin so, newest first.
        """
        ...

    async def releases(
        self, service: str, environment: str, limit: int | None = 5, *, kept_out: bool = False
    ) -> tuple[Live, ...]:
        """List the commits that ended their watch here, each once: those verified good first, then
        those accepted, newest first.

        Never a quarantined one, or one that was gone back from since; with ``kept_out`` the
        quarantined ones alone. None for all of them.
        """
        ...

    async def quarantine(self, service: str, commit: str) -> str:
        """Say why a commit is quarantined; empty when it is not."""
        ...

    async def quarantined(self, service: str, commit: str) -> Quarantined | None:
        """Say why, by whom and since when a commit is quarantined; None when it is not."""
        ...

    async def failed_since(
        self, service: str, environment: str, kinds: Sequence[Kind] = (Kind.FORWARD,)
    ) -> tuple[str, ...]:
        """Name the commits of what failed in a place since it was last known what is live there;
        they may be there in part.

        Those are the commits that rollouts were bringing, or those that
        rollbacks were putting back.
        """
        ...


class FactReader(Protocol):
    """Reads what is stored with one deployment."""

    async def decisions(self, id: DeploymentId) -> tuple[Decision, ...]:
        """List approvals and rejections, oldest first."""
        ...

    async def marks(self, id: DeploymentId) -> tuple[Mark, ...]:
        """List marks, oldest first."""
        ...

    async def steps(self, id: DeploymentId) -> tuple[Step, ...]:
        """List the rollout's steps in order."""
        ...

    async def snapshots(self, id: DeploymentId, limit: int = 20) -> tuple[Snapshot, ...]:
        """List snapshots, oldest first; of many, the newest ``limit``. The
        baseline is always the first.
        """
        ...

    async def meanwhile(self, rollback: DeploymentId) -> Snapshot | None:
        """Read the newest numbers of what serves, or served last, while a rollback is under way;
        ``snapshots`` leaves them out.
        """
        ...

    async def review(self, id: DeploymentId) -> Review | None:
        """Read the newest readiness review."""
        ...

    async def normal(self, id: DeploymentId) -> Normal | None:
        """Read what was normal in its place when a deployment began; None before it has."""
        ...

    async def trouble(self, id: DeploymentId) -> Trouble | None:
        """Read the newest finding about a deployment's numbers, also one that is over."""
        ...

    async def way_back(self, id: DeploymentId) -> Way | None:
        """Read what lies between a deployment and what it would be rolled back to,
        as it was compared last.
        """
        ...

    async def way_there(self, id: DeploymentId) -> Way | None:
        """Read what lies between what is live and a deployment that waits,
        as it was compared last.
        """
        ...

    async def changes(self, id: DeploymentId) -> Changes | None:
        """Read what the deployment changes."""
        ...


class JournalReader(Protocol):
    """Reads what happened, what was said, and how long things took."""

    async def entries(self, id: DeploymentId, limit: int = 200) -> tuple[Entry, ...]:
        """List a deployment's audit entries, oldest first."""
        ...

    async def timeline(self, id: DeploymentId) -> Timeline:
        """Tell what happened to a deployment, from its request to its end,
        without what was refused.
        """
        ...

    async def forgotten(self) -> Forgotten | None:
        """Read when the database was last replaced by another one; None where it never was."""
        ...

    async def is_stuck(self, run: str) -> bool:
        """Tell whether a runbook cannot go on without a person."""
        ...

    async def asking(self, id: DeploymentId) -> tuple[Message, ...]:
        """List what has been said of a deployment, or is about to be, and has not been shown
        to be over, oldest first.
        """
        ...

    async def kept(self, key: str) -> Answer | None:
        """Read what a command was answered that has been carried out."""
        ...

    async def taken(self, key: str) -> bool:
        """Tell whether a command has been carried out."""
        ...

    async def rollback_seconds(
        self, service: str, environment: str, limit: int = 20
    ) -> tuple[float, ...]:
        """List how long the newest finished rollbacks took, click to done."""
        ...

    async def run_seconds(self, service: str, limit: int = 50) -> tuple[float, ...]:
        """List how long the newest CI runs of a service took, of whatever step and wherever."""
        ...

    async def step_seconds(
        self, service: str, environment: str, key: str, limit: int = 50
    ) -> tuple[float, ...]:
        """List how long a step's CI run took in the newest deployments, for estimates."""
        ...

    async def stage_seconds(
        self, service: str, environment: str, key: str, limit: int = 20
    ) -> Mapping[str, tuple[float, ...]]:
        """List, by name, how long each stage of a step's runs took in the newest
        deployments, for estimates.
        """
        ...


class Reader(DeploymentReader, PlaceReader, VersionReader, FactReader, JournalReader, Protocol):
    """Questions to the store. Lists are bounded; everything is answered from an index,
    so history costs nothing.
    """
