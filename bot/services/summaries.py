"""Scheduled summaries: on one deployment after it landed, and the next morning on
everything that went live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain.changes import Changes
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.rollout import StepState
from bot.domain.trouble import EVERYTHING
from bot.ports.reader import Reader
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of, facts_of_snapshot, unclear
from bot.services.serving import newest_numbers
from bot.services.successors import facts_of_successor

LATEST = timedelta(days=1)
"""A summary that could not be posted for longer than this is not posted any more."""


async def due(context: Context) -> tuple[DeploymentId, ...]:
    """Name the deployments whose summary is due, also those whose moment
    passed while the bot was away.
    """
    now = context.now()
    async with context.store.reading() as reader:
        landed = await reader.landed_between(now - LATEST, now)
    return tuple(deployment.id for deployment in landed if _is_due(context, deployment, now))


def _is_due(context: Context, deployment: Deployment, now: datetime) -> bool:
    after = context.of(deployment)[1].summary_after
    return (
        after is not None
        and deployment.landed_at is not None
        and now >= deployment.landed_at + after
    )


async def after_deployment(context: Context, id: DeploymentId) -> None:
    """Post the summary of one deployment to its thread's channel."""
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        facts = await facts_of_summary(reader, deployment)
        shot = await newest_numbers(reader, id)
    async with context.store.transaction() as tx:
        chart = shot is not None and bool(shot.findings)
        await tx.say(Message(f"{id}:summary", "summary", facts, id, to="channel", chart=chart))
        await tx.redraw(id)


async def facts_of_summary(reader: Reader, deployment: Deployment) -> dict[str, Json]:
    """Give what a summary tells of one deployment as JSON values."""
    shot = await newest_numbers(reader, deployment.id)
    landed = await _landed(reader, deployment)
    took = (
        (landed - deployment.started_at).total_seconds()
        if landed and deployment.started_at
        else 0.0
    )
    changes = await reader.changes(deployment.id)
    return {
        **facts_of(deployment), "state": str(deployment.state),
        "seconds": took, "note": deployment.note,
        "landed_at": landed.isoformat() if landed else "",
        "snapshot": facts_of_snapshot(shot) if shot else None,
        "changes": _facts_of_changes(changes or Changes(known=False)),
        "unclear": await unclear(reader, deployment.service, deployment.environment),
        "replaced": facts_of_successor(await reader.replaced(deployment.id)),
    }  # fmt: skip


async def _landed(reader: Reader, deployment: Deployment) -> datetime | None:
    """Say when its last step was whole: a word that it is live has it watched
    anew, and lands it no later.
    """
    ended = [
        step.finished_at
        for step in await reader.steps(deployment.id)
        if step.state is StepState.DONE and step.percent == EVERYTHING
    ]
    times = [at for at in (deployment.landed_at, *ended) if at is not None]
    return min(times) if deployment.landed_at else None


def _facts_of_changes(changes: Changes) -> dict[str, Json]:
    """Give how much was changed, without every commit and file."""
    taken = {
        "known": changes.taken.known,
        "total": changes.taken.total,
        "authors": list(changes.taken.authors),
    }
    return {
        "backwards": changes.backwards,
        "total": changes.total,
        "authors": list(changes.authors),
        "taken": taken,
    }


async def morning(context: Context, slot: datetime) -> None:
    """Post, once per service channel, what went live in the 24 hours before the slot. A
    quiet day posts nothing.
    """
    async with context.store.reading() as reader:
        landed = await reader.landed_between(slot - timedelta(days=1), slot)
        by_channel: dict[str, list[dict[str, Json]]] = {}
        for deployment in landed:
            by_channel.setdefault(deployment.channel, []).append(
                await facts_of_summary(reader, deployment)
            )
    async with context.store.transaction() as tx:
        for channel, deployments in by_channel.items():
            facts = {**_of_a_morning(deployments), "at": slot.isoformat()}
            await tx.say(
                Message(
                    f"morning:{slot.isoformat()}:{channel}",
                    "morning_summary",
                    facts,
                    to="channel",
                    channel=channel,
                )
            )


async def facts_of_morning(reader: Reader, deployments: Sequence[Deployment]) -> dict[str, Json]:
    """Give what a morning tells of these deployments, as it is by now."""
    return _of_a_morning([await facts_of_summary(reader, each) for each in deployments])


def _of_a_morning(deployments: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    rolled_back = sum(1 for facts in deployments if facts["state"] == State.ROLLED_BACK)
    return {
        "deployments": list(deployments),
        "rolled_back": rolled_back,
        "doubts": _doubtful(deployments),
    }


def _doubtful(deployments: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Name the places of these deployments of which it is not known what runs there, each once."""
    found = dict.fromkeys(
        (each["service"], each["environment"]) for each in deployments if each["unclear"]
    )
    return [{"service": service, "environment": environment} for service, environment in found]
