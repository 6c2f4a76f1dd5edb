"""How an open deployment stands, for a line of the status board: the same truth as
its card, in fewer words.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bot.domain.called import called
from bot.domain.card import Card
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.rollout import StepState
from bot.domain.urgency import urgency
from bot.domain.watching import finding_in
from bot.ports.board import StatusLine
from bot.ports.reader import Reader
from bot.ports.talk import CardDue
from bot.queries.silences import line_of_silence, way_back_of
from bot.services.context import Context
from bot.services.given import has_word
from bot.services.hanging import KeptOn, kept_on, late_run
from bot.services.standstills import why_not_on
from bot.services.word import besides, let_go

_JUDGED = frozenset({State.ROLLING_OUT, State.WATCHING})
"""Where numbers are weighed."""


async def status_line(
    context: Context,
    reader: Reader,
    deployment: Deployment,
    beside: Collection[tuple[str, str]] = (),
) -> StatusLine:
    """Look where a deployment stands: its gates while it waits, its numbers while it runs.
    ``beside`` are the names around it.
    """
    card = await _card(context, reader, deployment)
    is_coming = card.waits_for_watch or deployment.state is State.QUEUED
    watched = (
        await reader.watched(deployment.service, deployment.environment) if is_coming else None
    )
    late = await late_run(context, reader, deployment)
    kept = (
        await kept_on(context, reader, deployment)
        if deployment.state is State.ROLLING_OUT
        else KeptOn()
    )
    return StatusLine(
        id=deployment.id,
        version=called(deployment.version, deployment.commit, beside=beside),
        state=str(deployment.state),
        lead=str(deployment.lead) if deployment.lead else "",
        undoes=deployment.undoes,
        behind=await reader.holder(deployment.service, deployment.environment)
        if deployment.state is State.QUEUED
        else "",
        tally=card.review.tally if card.review else None,
        after=watched.id if watched and card.waits_for_watch else "",
        decides=await _in_trouble(reader, watched),
        is_degraded=card.is_degraded,
        is_blind=card.is_blind,
        goes_on=card.goes_on_word,
        waits_for_word=card.waits_for_word,
        by_itself=str(card.by_itself),
        percent=card.serving or _looked_at(card),
        keeps=_keeps(card),
        late=late.percent if late else 0,
        late_since=late.since.isoformat() if late else "",
        is_smoke_late=late is not None and late.is_smoke,
        no_further="" if kept.is_last else kept.why,
        quarantined=await reader.quarantine(deployment.service, deployment.commit)
        if kept.is_last and kept.why
        else "",
        silence=line_of_silence(card.silence),
        countdown_until=deployment.countdown_until.isoformat()
        if deployment.countdown_until
        else "",
    )


async def _card(context: Context, reader: Reader, deployment: Deployment) -> Card:
    """Fill as much of a deployment's card as its line tells."""
    snapshots = await reader.snapshots(deployment.id)
    review = await reader.review(deployment.id) if deployment.state is State.GATED else None
    steps, trouble = await reader.steps(deployment.id), await reader.trouble(deployment.id)
    shot = snapshots[-1] if len(snapshots) > 1 else None
    keeping = (
        await why_not_on(context, reader, deployment)
        if deployment.state is State.ROLLING_OUT
        else ()
    )
    card = Card(
        deployment,
        context.now(),
        review=review,
        snapshot=shot,
        steps=steps,
        way_back=await way_back_of(reader, deployment),
        trouble=trouble,
        is_settled=trouble is not None and await has_word(reader, deployment, trouble),
        standstill=keeping[0]
        if keeping and any(step.state is StepState.PENDING for step in steps)
        else "",
    )
    card = replace(card, let_go=await let_go(reader, card))
    if card.waits_for_word:
        card = replace(card, besides=await besides(context, reader, deployment))
    return card


async def _in_trouble(reader: Reader, watched: Deployment | None) -> str:
    """Name what is watched if there is something that its lead has to decide about;
    empty where there is not.
    """
    if watched is None:
        return ""
    return watched.id if finding_in(await reader.trouble(watched.id)) > 0 else ""


def _looked_at(card: Card) -> int:
    """Say at how many percent something was found while nothing of it is whole
    yet; 0 where nothing was.
    """
    return next(
        (step.percent for step in card.steps if card.waits_for_word and step.key == card.where), 0
    )


def _keeps(card: Card) -> str:
    """Say why a rollout stands still before its next step; empty where it does not."""
    return card.standstill if card.stands_still else ""


async def cards_due(
    context: Context, deployments: Collection[DeploymentId]
) -> dict[DeploymentId, CardDue]:
    """Look which cards show these deployments and how urgent each is; a rollback shows on
    the card of what it undoes.
    """
    found: dict[DeploymentId, CardDue] = {}
    async with context.store.reading() as reader:
        for each in deployments:
            deployment = await reader.deployment(each)
            if deployment is not None and deployment.undoes:
                deployment = await reader.deployment(deployment.undoes)
            if deployment is not None:
                is_degraded = (
                    deployment.state in _JUDGED
                    and (await status_line(context, reader, deployment)).is_degraded
                )
                since = context.now() - deployment.state_since
                is_urgent = urgency(deployment.state, is_degraded=is_degraded, since=since)
                found[each] = CardDue(
                    deployment.id, is_urgent, deployment.state, deployment.channel
                )
    return found
