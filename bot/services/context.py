"""What every use case is given: the catalog, the store, the clock, the providers, the people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from bot.domain import plain
from bot.domain.actions import Action
from bot.domain.audit import Audited, Entry
from bot.domain.catalog import Catalog, EnvironmentPolicy, Service
from bot.domain.deployment import Deployment, DeploymentId
from bot.domain.errors import Meant, NotPossible
from bot.domain.health import Snapshot
from bot.domain.keeping import Kept
from bot.domain.near import did_you_mean, near, only
from bot.domain.people import GONOGO, Person
from bot.domain.places import Ground
from bot.domain.shown import Seen, begun, finding_of, gates_of, rest, token
from bot.domain.timeline import Line, retold
from bot.domain.watching import CAN_GO, finding_in, mark_of, picture_in
from bot.domain.whys import why_of
from bot.ports.providers import Providers
from bot.ports.reader import Reader, Timeline
from bot.ports.store import Store, Transaction
from bot.ports.talk import Answer, Intent
from bot.ports.time import Clock, Json
from bot.services.people import People

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """How often waiting procedures look again when nothing wakes them."""

    review: timedelta = timedelta(seconds=15)
    run: timedelta = timedelta(seconds=5)
    hold: timedelta = timedelta(seconds=15)
    parked: timedelta = timedelta(minutes=15)
    """How rarely what waits is looked at that nothing wakes and nothing changes."""
    slowest: timedelta = timedelta(seconds=30)
    """How rarely a run is looked at that does not get on."""

    def while_waiting(self, quiet: timedelta) -> timedelta:
        """Say when to look again at what waits and has been the same for a time: ever more rarely,
        and at once when something wakes it.
        """
        return max(self.review, min(quiet / 2, self.parked))

    def after(self, quiet: timedelta) -> timedelta:
        """Say when to look again at a run that has not got on for a time: after as long again,
        so that the pauses double.
        """
        return max(self.run, min(quiet, self.slowest))


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that use cases work with, wired in ``bot.app``."""

    catalog: Catalog
    store: Store
    clock: Clock
    providers: Mapping[str, Providers]
    people: People
    intervals: PollIntervals = field(default_factory=PollIntervals)

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return self.clock.now()

    def service(self, name: str) -> Service:
        """Find a service. Raises NotPossible with the nearest name."""
        service = self.catalog.services.get(name)
        if service is None:
            sentence = f'I don\'t know the service "{name}".'
            raise no_such(sentence, "service", name, self.catalog.services)
        return service

    def policy(self, service: str, environment: str) -> EnvironmentPolicy:
        """Find a service's environment. Raises NotPossible with the nearest name."""
        environments = self.service(service).environments
        policy = environments.get(environment)
        if policy is None:
            sentence = f'{service} has no environment "{environment}".'
            raise no_such(sentence, "environment", environment, environments)
        return policy

    def environment(self, name: str) -> None:
        """Look whether any service has such an environment. Raises
        NotPossible with the nearest name.
        """
        known = {
            environment: each
            for each in self.catalog.services.values()
            for environment in each.environments
        }
        if name not in known:
            raise no_such(f'No service has an environment "{name}".', "environment", name, known)

    def of(self, deployment: Deployment) -> tuple[Service, EnvironmentPolicy, Providers]:
        """Find what belongs to a deployment."""
        service = self.service(deployment.service)
        return (
            service,
            self.policy(deployment.service, deployment.environment),
            self.providers[deployment.service],
        )

    def items_of(self, deployment: Deployment) -> dict[str, Json]:
        """Give the titles of the checklist's items by the keys of their gates."""
        return {f"item:{item.key}": item.title for item in self.of(deployment)[1].checklist}


def no_such(sentence: str, field: str, word: str, known: Mapping[str, object]) -> NotPossible:
    """Refuse a name that is not there, with what may have been meant; ``field`` of the command
    has it.
    """
    alone = only(near(word, known))
    meant = Meant(field, alone) if alone else None
    return NotPossible(f"{sentence} {instead(word, known)}", meant=meant)


def instead(word: str, known: Mapping[str, object]) -> str:
    """Name what may have been meant; else what there is."""
    meant = did_you_mean(near(word, known))
    if meant:
        return meant
    return f"Known: {', '.join(sorted(known))}." if known else "None is configured."


LOOKS = 3
"""How often a use case looks again when what it looked at has moved while it waited."""


class MovedError(Exception):
    """What was looked at is not what is there now; the use case looks again."""


async def act(
    context: Context, intent: Intent, decide: Callable[[Transaction], Awaitable[Answer | None]]
) -> Answer | None:
    """Decide about a command in the one transaction, once; one that comes
    again is answered as it was.

    ``decide`` asks everything again that was looked at before: nothing that waited is believed.
    """
    async with context.store.transaction() as tx:
        if not await tx.once(intent.key):
            return await tx.kept(intent.key)
        answer = await decide(tx)
        await tx.keep(intent.key, answer)
        return answer


async def looking(attempt: Callable[[], Awaitable[T]]) -> T:
    """Look and decide; look again when what was looked at has moved meanwhile. Raises
    NotPossible when it keeps moving.
    """
    for _ in range(LOOKS):
        try:
            return await attempt()
        except MovedError:
            continue
    raise NotPossible(
        "This keeps changing while it is looked at; nothing was changed. Look "
        "at the card and try again."
    )


def as_shown(action: Action, shown: str, seen: Seen) -> None:
    """Refuse a decision on something else than what is there now; what was typed has seen
    nothing. Raises NotPossible.
    """
    if shown and shown != token(action, seen):
        raise NotPossible(
            "What you decided on has changed since it was shown to you; nothing was done. Look "
            "at the card as it is now."
        )


async def existing(reader: Reader, id: DeploymentId) -> Deployment:
    """Read a deployment that must exist. Raises NotPossible for an unknown id."""
    deployment = await reader.deployment(id)
    if deployment is None:
        raise NotPossible(
            f'I don\'t know a deployment "{id}". {await _forgotten(reader)}/deploy status shows '
            "what runs, /deploy history SERVICE what ran."
        )
    return deployment


async def _forgotten(reader: Reader) -> str:
    """Say between when a deployment would have been asked for that a restored database does not
    know; empty where it never was restored.
    """
    found = await reader.forgotten()
    if found is None:
        return ""
    other, asked = "a new one", "before"
    if found.ends_at is not None:
        other, asked = f"one that ends at {plain.moment(found.ends_at)}", "between"
    return (
        f"The database was replaced by {other}, as was found {plain.moment(found.at)}; what was "
        f"asked for {asked} is not in it. "
    )


async def unclear(reader: Reader, service: str, environment: str) -> str:
    """Say why it is not known what runs in a place; empty when it is."""
    strays = await reader.strays(service, environment)
    ground = Ground("", "", "", doubt=await reader.doubt(service, environment), strays=strays)
    return f"{ground.in_words}{ground.way_on}"


async def is_again(reader: Reader, deployment: Deployment) -> bool:
    """Tell whether the same commit failed, or was stopped, in the place before and makes
    unclear what runs there.
    """
    doubt = await reader.doubt(deployment.service, deployment.environment)
    if doubt is None or doubt.deployment in {"", deployment.id}:
        return False
    before = await existing(reader, doubt.deployment)
    return bool(deployment.commit) and before.commit == deployment.commit


async def seen(reader: Reader, deployment: Deployment) -> Seen:
    """Say what a card of this deployment shows now, apart from its rollback target, its lock
    and its pipeline's gate.
    """
    can_go = deployment.state in CAN_GO or deployment.is_only_let_go
    watched = await reader.watched(deployment.service, deployment.environment) if can_go else None
    trouble = await reader.trouble(watched.id) if watched else None
    why = why_of(deployment, await reader.rollback_of(deployment.id))
    return Seen(
        commit=deployment.commit,
        base=deployment.base_commit,
        strategy=deployment.strategy,
        lead=str(deployment.lead or ""),
        gates=gates_of(await reader.review(deployment.id)),
        begun=begun(deployment),
        rest=rest(deployment),
        finding=finding_of(await reader.trouble(deployment.id)),
        deed=why.mark if why else "",
        watched=f"{mark_of(watched.id, finding_in(trouble))}:{picture_in(trouble)}"
        if watched
        else "",
    )


async def note(
    tx: Transaction,
    at: datetime,
    action: Audited,
    deployment: Deployment,
    by: Person = GONOGO,
    *,
    outcome: str = "done",
    **facts: Json,
) -> None:
    """Append to the audit log what was done to a deployment."""
    about = {
        "service": deployment.service,
        "environment": deployment.environment,
        "commit": deployment.commit,
        **facts,
    }
    await tx.audit(
        Entry(
            at=at, actor=by, action=action, deployment=deployment.id, outcome=outcome, facts=about
        )
    )


def facts_of(deployment: Deployment) -> dict[str, Json]:
    """Give the facts of a deployment that every message may print."""
    return {
        "id": deployment.id,
        "service": deployment.service,
        "environment": deployment.environment,
        "version": deployment.version,
        "lead": str(deployment.lead) if deployment.lead else "",
        "requested_by": str(deployment.requested_by),
    }


def facts_of_kept(kept: Kept | None) -> dict[str, Json] | None:
    """Give who keeps a rollout as JSON values."""
    if kept is None:
        return None
    times = {
        "at": kept.at.isoformat() if kept.at else "",
        "until": kept.until.isoformat() if kept.until else "",
    }
    return {
        "kind": kept.kind,
        "by": str(kept.by) if kept.by else "",
        "who": list(kept.who),
        "how": kept.how,
        **times,
    }


def facts_of_timeline(told: Timeline) -> list[dict[str, Json]]:
    """Give what happened, as it is retold to people, as JSON values."""
    return [_facts_of_line(line) for line in retold(told.begin, told.left_out, told.end)]


def _facts_of_line(line: Line) -> dict[str, Json]:
    entry = line.entry
    span = (
        {"times": line.times, "until": line.until.isoformat(), "at_last": line.at_last}
        if line.until
        else {}
    )
    facts = {**entry.facts, **span}
    return {
        "at": entry.at.isoformat(),
        "action": entry.action,
        "by": str(entry.actor),
        "facts": facts,
        "left_out": line.left_out,
    }


def facts_of_snapshot(shot: Snapshot) -> dict[str, Json]:
    """Give a snapshot's facts as JSON values."""
    findings = [
        {**asdict(finding), "verdict": str(finding.verdict), "trend": list(finding.trend)}
        for finding in shot.findings
    ]
    return {
        "label": shot.label,
        "verdict": str(shot.verdict),
        "compared_with": shot.compared_with,
        "at": shot.at.isoformat(),
        "findings": findings,
        "silence": shot.silence,
        "lacking_since": shot.lacking_since.isoformat() if shot.lacking_since else "",
    }
