"""What a rollback would undo: the deployment that is there, or why there is none."""

from __future__ import annotations

from bot.domain.commands import RollBack
from bot.domain.declared import Origin
from bot.domain.deployment import CAN_ROLL_BACK, Deployment, DeploymentId, Kind, State
from bot.domain.errors import NotPossible
from bot.domain.live import Live
from bot.ports.reader import Reader
from bot.services.context import (
    Context,
    existing,
    unclear,
)
from bot.services.offers import (
    rollback_offer,
)
from bot.services.targets import brought_by, undoable


async def subject_of(context: Context, reader: Reader, command: RollBack) -> Deployment:
    """Give the deployment that a rollback would undo. Raises NotPossible where there is none."""
    if command.deployment:
        return await _named(reader, command.deployment)
    if not command.environment:
        raise NotPossible(
            f"Which environment? /rollback {command.service} ENVIRONMENT because TEXT."
        )
    context.policy(command.service, command.environment)
    current = await undoable(reader, command.service, command.environment)
    undone = await _just_undone(reader, command.service, command.environment)
    if (
        undone is not None
        and (current is None or not command.ref)
        and not await _has_to_go(reader, undone, current)
    ):
        raise NotPossible(await _no_further(context, reader, undone, current))
    if current is None:
        coming = await reader.open_deployments(command.service, command.environment)
        let_go = next((each for each in coming if each.is_only_let_go), None)
        nothing = (
            _not_begun(let_go, None)
            if let_go
            else await _nothing_to_undo(reader, command.service, command.environment)
        )
        raise NotPossible(nothing)
    return current


async def _nothing_to_undo(reader: Reader, service: str, environment: str) -> str:
    """Say why nothing can be rolled back where no deployment brought what is
    live, and what to do instead.
    """
    sentence = (
        f"No deployment of ours brought what is live in {service} {environment}, so there "
        "is nothing to roll back."
    )
    live = await reader.live(service, environment)
    if live is not None and live.declared is None:
        return await _put_back_already(reader, live) or sentence
    if live is None or live.declared is None:
        return sentence
    by = await brought_by(reader, live)
    if by is not None:
        sentence = f"{by.stands}, so there is nothing to roll back."
    was_said = live.declared.origin is Origin.SAID
    how = (
        f"is live there on the word of {live.declared.by.mention}"
        if was_said
        else "was live there before Go/No-Go came"
    )
    return (
        f"{sentence} {live.version} {how}. To put another version there: /deploy "
        f"{service} REF to {environment}."
    )


async def _put_back_already(reader: Reader, live: Live) -> str:
    """Say that a rollback has brought what is recorded as live, and what to do where it is unclear
    since; empty where none has.
    """
    back = await reader.deployment(live.deployment)
    if back is None or back.kind is not Kind.ROLLBACK:
        return ""
    place = f"{live.service} {live.environment}"
    undone, doubt = (
        await existing(reader, back.undoes),
        await unclear(reader, live.service, live.environment),
    )
    sentence = f"{undone.title} is rolled back already: {back.id} has put {live.version} back."
    if doubt:
        sentence += (
            f" It is unclear what runs: {doubt}. Say what is live: /deploy live "
            f"{place} is REF because TEXT."
        )
    return (
        f"{sentence} To put another version there: /deploy {live.service} "
        f"REF to {live.environment}."
    )


async def _named(reader: Reader, id: DeploymentId) -> Deployment:
    """Read the deployment of a card; what is no longer there cannot be rolled back."""
    deployment = await existing(reader, id)
    current = await undoable(reader, deployment.service, deployment.environment)
    if deployment.state in CAN_ROLL_BACK and (current is None or current.id != id):
        if deployment.is_only_let_go:
            raise NotPossible(_not_begun(deployment, current))
        if current is not None and current.state is State.ROLLING_OUT:
            raise NotPossible(
                f"{current.title} is on its way there now; roll back {current.id} instead."
            )
        live = await reader.live(deployment.service, deployment.environment)
        if current is None and live is not None and live.declared is not None:
            raise NotPossible(
                await _nothing_to_undo(reader, deployment.service, deployment.environment)
            )
        instead = (
            f" {current.title} is there now; roll back {current.id} instead." if current else ""
        )
        raise NotPossible(f"{deployment.title} was replaced and is not live any more.{instead}")
    return deployment


def _not_begun(deployment: Deployment, current: Deployment | None) -> str:
    there = (
        f" {current.title} is there; to have that away, roll back {current.id} instead."
        if current
        else ""
    )
    return (
        f"Nothing of {deployment.title} has been started yet, so it is cancelled: /deploy "
        f"cancel {deployment.id}.{there}"
    )


async def _just_undone(reader: Reader, service: str, environment: str) -> Deployment | None:
    """Give the newest deployment that touched an environment, if it has been rolled back."""
    newest = await reader.newest_started(service, environment)
    return newest if newest is not None and newest.state is State.ROLLED_BACK else None


async def _has_to_go(reader: Reader, undone: Deployment, current: Deployment | None) -> bool:
    """Tell whether going back further is no second reading of the same command.

    It is none where what is live now is quarantined, where it is unclear what runs, and where
    somebody has said since what is live.
    """
    live = await reader.live(undone.service, undone.environment)
    if live is not None and live.declared is not None and live.declared.at >= undone.state_since:
        return True
    if await unclear(reader, undone.service, undone.environment):
        return True
    return current is not None and bool(await reader.quarantine(current.service, current.commit))


async def _no_further(
    context: Context, reader: Reader, undone: Deployment, current: Deployment | None
) -> str:
    """Say that the newest deployment is rolled back; a command that comes a second time must not
    take the next one back too.
    """
    live = await reader.live(undone.service, undone.environment)
    sentence = (
        f"{undone.title} is rolled back already.{f' {live.version} is live.' if live else ''}"
    )
    further = await _further(context, reader, current) if current is not None else ""
    return (
        f"{sentence} {further}"
        if further
        else (
            f"{sentence} To put another version there: /deploy {undone.service} REF "
            f"to {undone.environment}."
        )
    )


async def _further(context: Context, reader: Reader, current: Deployment) -> str:
    """Say how what stands there now is rolled back, too; empty where it cannot be."""
    offer = await rollback_offer(context, reader, current)
    how = f"/rollback {current.service} {current.environment} to {offer.version} because TEXT"
    return f"To go back further: {how}, or the card of {current.id}." if offer.is_possible else ""
