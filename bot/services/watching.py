"""Whether a place is still being watched for an earlier deployment, and letting the next one go
without waiting for the end of that.
"""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.catalog import Permission
from bot.domain.commands import GoNow
from bot.domain.decisions import Mark
from bot.domain.deployment import WAITING, Deployment, DeploymentId
from bot.domain.errors import NotPossible
from bot.domain.places import Hindrance, Obstacle, obstacles
from bot.domain.readiness import Gate
from bot.domain.watching import (
    CAN_GO,
    Watched,
    finding_in,
    is_all_that_keeps,
    picture_in,
    watched_gate,
)
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.ports.time import Json
from bot.services.context import Context, act, as_shown, existing, facts_of, note, seen


async def watched_in(
    context: Context, reader: Reader, service: str, environment: str
) -> Watched | None:
    """Find what is being watched in a place; None when nothing is."""
    found = await reader.watched(service, environment)
    if found is None:
        return None
    policy, trouble = context.policy(service, environment), await reader.trouble(found.id)
    finding, picture = finding_in(trouble), picture_in(trouble)
    until = found.landed_at + policy.watch if found.landed_at else None
    waiting = await _waiting_for(context, reader, found)
    return Watched(
        found.id, found.version, found.landed_at, until, found.lead,
        is_in_trouble=finding > 0, finding=finding, waiting=waiting,
        picture=picture,
    )  # fmt: skip


async def _waiting_for(
    context: Context, reader: Reader, watched: Deployment
) -> tuple[DeploymentId, ...]:
    """Name the deployments that wait for the same commit to be verified here first."""
    environments = context.service(watched.service).environments
    return tuple(
        each.id
        for each in await reader.open_deployments(watched.service)
        if each.state in WAITING
        and each.commit == watched.commit
        and environments[each.environment].after == watched.environment
    )


async def gate(context: Context, reader: Reader, deployment: Deployment) -> Gate | None:
    """Judge whether a deployment that could go has to wait for a watch; None where
    nothing is being watched.
    """
    watched = await watched_in(context, reader, deployment.service, deployment.environment)
    if watched is None:
        return None
    word = await _word_against(reader, deployment, watched)
    return watched_gate(watched, by=word.by if word else None, at=word.at if word else None)


async def hindrances(
    context: Context, reader: Reader, deployment: Deployment
) -> tuple[Hindrance, ...]:
    """Say that what was let go waits for a watch all the same, because what it replaces is worse
    now than when the word was given.
    """
    found = await gate(context, reader, deployment)
    return (
        (Hindrance(Obstacle.WATCHED, found.sentence, at=found.at),)
        if found is not None and found.blocks
        else ()
    )


WORD = "go now:"
"""How the mark begins that somebody lets a deployment go before the watch of another has ended."""


async def _word_against(reader: Reader, deployment: Deployment, watched: Watched) -> Mark | None:
    """Find the word that lets a deployment go. One that was given before the other was in its
    present trouble does not count.
    """
    words = [
        mark
        for mark in await reader.marks(deployment.id)
        if mark.key.startswith(f"{WORD}{watched.deployment}:")
    ]
    return next(
        (
            mark
            for mark in words
            if not watched.is_in_trouble or mark.key == f"{WORD}{watched.mark}"
        ),
        None,
    )


async def go_now(context: Context, intent: Intent, command: GoNow) -> Answer | None:
    """Let a deployment go, once it is ready, without waiting for the end of the watch before
    it: for whoever may deploy.
    """
    await context.people.require(
        intent.by, Permission.DEPLOY, "let a deployment go before the watch of another has ended"
    )
    return await act(context, intent, lambda tx: _go_now(context, intent, tx, command))


async def _go_now(context: Context, intent: Intent, tx: Transaction, command: GoNow) -> Answer:
    deployment = await existing(tx, command.deployment)
    watched = await watched_in(context, tx, deployment.service, deployment.environment)
    if not (deployment.state in CAN_GO or deployment.is_only_let_go) or watched is None:
        raise NotPossible(f"{deployment.stands}; it waits for no watch.")
    as_shown(Action.GO_NOW, command.shown, await seen(tx, deployment))
    if not await _waits_for_it_alone(context, tx, deployment):
        raise NotPossible(
            f"{deployment.stands}, not only for the end of that watch. Once nothing else "
            "keeps it, it can go now."
        )
    if await _word_against(tx, deployment, watched) is not None:
        raise NotPossible(
            f"Somebody has let {deployment.title} go already; it does not wait "
            f"for {watched.deployment}."
        )
    await tx.mark(Mark(deployment.id, f"{WORD}{watched.mark}", intent.by, context.now()))
    await note(tx, context.now(), "go_now", deployment, intent.by, watched=watched.deployment)
    facts = {**facts_of(deployment), **facts_of_watched(watched), "by": str(intent.by)}
    facts["at"] = context.now().isoformat()
    for thread in (deployment.id, watched.deployment, *watched.waiting):
        await tx.say(
            Message(
                f"{thread}:not-waited:{deployment.id}:{watched.mark}", "not_waited", facts, thread
            )
        )
    await tx.wake(deployment.id)
    return Answer("going_now", {**facts_of(deployment), **facts_of_watched(watched)})


async def _waits_for_it_alone(context: Context, reader: Reader, deployment: Deployment) -> bool:
    """Tell whether a deployment would go but for that watch."""
    if deployment.is_only_let_go:
        return not obstacles(deployment, await reader.ground(deployment), None, context.now())
    return is_all_that_keeps(deployment.state, await reader.review(deployment.id))


def facts_of_watched(watched: Watched | None) -> dict[str, Json]:
    """Give what is being watched as JSON values; empty ones where nothing is."""
    if watched is None:
        return {
            "watched": "",
            "watched_version": "",
            "watched_until": "",
            "watched_lead": "",
            "is_in_trouble": False,
            "waiting": [],
        }
    return {
        "watched": watched.deployment, "watched_version": watched.version,
        "waiting": list(watched.waiting),
        "watched_until": watched.until.isoformat() if watched.until else "",
        "watched_lead": str(watched.lead or ""),
        "is_in_trouble": watched.is_in_trouble,
    }  # fmt: skip
