"""What saying that a version is live passes over: what may be there now, and what
of it the version has not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.domain.deployment import CAN_ROLL_BACK, Deployment, Kind, State
from bot.domain.places import obstacles
from bot.domain.rollback import Passage, Way
from bot.domain.rollout import Step, StepState, serving
from bot.ports.reader import Reader
from bot.ports.time import Json
from bot.services.context import Context
from bot.services.ways import between


@dataclass(frozen=True, slots=True)
class There:
    """A commit that may be in a place."""

    commit: str
    version: str


@dataclass(frozen=True, slots=True)
class Passing:
    """What may be there beside the version that is said, compared with it."""

    there: tuple[There, ...] = ()
    behind: tuple[There, ...] = ()
    """Those that have something which the version has not: whoever says it
    has gone back from them.
    """
    migrations: tuple[str, ...] = ()
    """The migrations that may be there and that the version has not."""
    is_compared: bool = True

    @property
    def mark(self) -> str:
        """Name what a dialog shows of it."""
        return " ".join([*self.migrations, *([] if self.is_compared else ["?"])])


async def there(reader: Reader, service: str, environment: str, *, but: str) -> tuple[There, ...]:
    """Name what may be in a place: what is recorded, what stands there or is on its way, what
    failed since, and what was put back.
    """
    live = await reader.live(service, environment)
    current = await stands(reader, service, environment)
    holder = await reader.deployment(await reader.holder(service, environment))
    back = holder if holder is not None and holder.kind is Kind.ROLLBACK else None
    undone = await reader.deployment(back.undoes) if back is not None else None
    found = [There(live.commit, live.version)] if live else []
    found += [There(each.commit, each.version) for each in (undone, current, back) if each]
    found += [
        await called(reader, service, commit)
        for commit in await reader.failed_since(service, environment, tuple(Kind))
    ]
    return tuple(
        {each.commit: each for each in reversed(found) if each.commit not in {"", but}}.values()
    )[::-1]


async def called(reader: Reader, service: str, commit: str) -> There:
    """Give a commit with the version that it was last deployed or put back as."""
    known = next(iter(await reader.of_commit(service, commit, limit=1, kinds=tuple(Kind))), None)
    return There(commit, known.version if known else commit[:7])


async def stands(reader: Reader, service: str, environment: str) -> Deployment | None:
    """Give the forward deployment that is in a place or on its way into it, where
    it can be gone back from.
    """
    holder = await reader.deployment(await reader.holder(service, environment))
    found = (
        holder
        if holder is not None and not holder.has_touched_nothing
        else await reader.current(service, environment)
    )
    return (
        found
        if found is not None and found.kind is Kind.FORWARD and found.state in CAN_ROLL_BACK
        else None
    )


async def compared_with(
    context: Context, service: str, commit: str, present: tuple[There, ...]
) -> Passing:
    """Compare what may be there with the version that is said."""
    ways = await asyncio.gather(
        *(between(context, service, leaving=each.commit, to=commit) for each in present)
    )
    behind = tuple(each for each, way in zip(present, ways, strict=True) if _is_behind(way))
    migrations = dict.fromkeys(
        path for way in ways if way.passage is Passage.MIGRATION for path in way.undoes.migrations
    )
    return Passing(
        present, behind, tuple(migrations), all(way.passage is not Passage.UNKNOWN for way in ways)
    )


def _is_behind(way: Way) -> bool:
    """Tell whether one goes back on a way; what could not be compared may be so."""
    return way.passage is not Passage.FREE or not way.undoes.known or way.undoes.total > 0


async def may_be_said(
    reader: Reader, service: str, environment: str, now: datetime
) -> datetime | None:
    """Tell since when somebody could have gone back by hand there; None while something rolls out
    that nothing and nobody keeps.
    """
    current = await stands(reader, service, environment)
    live = await reader.live(service, environment)
    if current is None:
        return live.since if live else None
    return (
        None
        if current.state is State.ROLLING_OUT and await is_free(reader, current, now)
        else current.state_since
    )


async def is_free(reader: Reader, deployment: Deployment, now: datetime) -> bool:
    """Tell whether a rollout goes on by itself: nothing is found that is not over, and no lock,
    quarantine or doubt keeps it.
    """
    trouble = await reader.trouble(deployment.id)
    is_well = trouble is None or not trouble.is_open
    return is_well and not obstacles(deployment, await reader.ground(deployment), None, now)


@dataclass(frozen=True, slots=True)
class Ends:
    """A deployment that a word ends, and its run that is under way then and is given up."""

    deployment: Deployment
    serving: int
    """How many percent of the requests it has."""
    step: Step | None = None

    @property
    def mark(self) -> str:
        """Name what a dialog shows of it."""
        return f"{self.deployment.id}:{self.step.key if self.step else ''}"

    @property
    def facts(self) -> dict[str, Json]:
        """Give it as JSON values."""
        what = (
            ""
            if self.step is None
            else "smoke test"
            if self.step.state is StepState.SMOKE
            else "run"
        )
        return {
            "id": self.deployment.id, "version": self.deployment.version,
            "state": str(self.deployment.state), "serving": self.serving,
            "undoes": self.deployment.undoes, "under_way": what,
            "percent": self.step.percent if self.step else None,
            "url": self.step.run_url if self.step else "",
        }  # fmt: skip


async def ends(reader: Reader, deployment: Deployment) -> Ends:
    """Say what of a deployment is ended by a word that something else is live."""
    steps = await reader.steps(deployment.id)
    return Ends(
        deployment, serving(steps), next((step for step in steps if step.is_under_way), None)
    )
