"""The card of a deployment, filled from the stored state alone."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.actions import Action
from bot.domain.card import Card
from bot.domain.catalog import EnvironmentPolicy, Strategy
from bot.domain.changes import Changes
from bot.domain.declared import Declared, Replaced
from bot.domain.deployment import (
    CAN_ROLL_BACK,
    OPEN,
    WAITING,
    Deployment,
    DeploymentId,
    Kind,
    State,
    is_of,
)
from bot.domain.live import Live
from bot.domain.places import Obstacle
from bot.domain.rollout import Overrun, StepState
from bot.domain.watching import CAN_GO
from bot.domain.whys import why_of
from bot.ports.people import Shift
from bot.ports.reader import Reader
from bot.services import approvals, lasttime, provider_facts, wentback, word
from bot.services.ahead import ahead_in
from bot.services.context import Context, existing, is_again
from bot.services.estimates import about_left, stages_take
from bot.services.given import has_word
from bot.services.hanging import hanging, late_run
from bot.services.offers import has_rollback_lock, rollback_offer
from bot.services.standstills import kept_by, standstill, why_not_on
from bot.services.targets import brought_by, undoable
from bot.services.watching import watched_in

_ASK_WITH_TIMES = frozenset({Action.ROLL_BACK, Action.GO_NOW})
"""Buttons that ask back in words with times in them, which Slack does not translate there."""
GONE = "Nothing is known to stand on it any more."


async def card_of(context: Context, id: DeploymentId) -> Card | None:
    """Fill a deployment's card from the stored state alone. A rollback has no card of its own: it
    shows on the one that it undoes.
    """
    async with context.store.reading() as reader:
        deployment = await reader.deployment(id)
    if deployment is None:
        return None
    if deployment.kind is Kind.ROLLBACK:
        return await card_of(context, deployment.undoes)
    shift = (
        await provider_facts.shift_now(context, deployment) if deployment.state in OPEN else None
    )
    async with context.store.reading() as reader:
        card = await _card(context, reader, await existing(reader, id))
    lead = card.deployment.lead
    if lead is not None and not _ASK_WITH_TIMES.isdisjoint(card.actions):
        card = replace(card, zone=await context.people.zone(lead))
    if not isinstance(shift, Shift):
        return card
    is_lead = shift.person == lead
    return replace(
        card, on_call_until=shift.until if is_lead else None, can_be_taken_over=not is_lead
    )


async def _card(context: Context, reader: Reader, deployment: Deployment) -> Card:
    policy = context.policy(deployment.service, deployment.environment)
    strategy = context.catalog.strategies.get(deployment.strategy)
    snapshots = await reader.snapshots(deployment.id)
    steps = await reader.steps(deployment.id)
    card = Card(
        deployment,
        context.now(),
        steps=steps,
        strategy=words_of(strategy) if strategy else deployment.strategy,
        review=await reader.review(deployment.id),
        changes=await reader.changes(deployment.id) or Changes(known=False),
        snapshot=snapshots[-1] if len(snapshots) > 1 else None,
        ended_with={shot.where: shot.verdict for shot in snapshots if shot.where},
        automatic_rollback=policy.automatic_rollback,
        rollback_locks=policy.lock_after_rollback
        and not await has_rollback_lock(reader, deployment),
        approvals=approvals.needs(
            policy.approvals, await reader.decisions(deployment.id), deployment
        ),
        uncounted=approvals.uncounted(await reader.decisions(deployment.id), deployment),
        approval_expires_at=approvals.expires_at(deployment, policy),
        why=why_of(deployment, await reader.rollback_of(deployment.id)),
    )
    card = await _with_people(context, reader, card, policy)
    card = await _with_way_back(context, reader, card)
    card = await _with_standstill(context, reader, card)
    is_going_on = deployment.state is State.ROLLING_OUT and not card.standstill
    left = await about_left(reader, deployment, steps, context.now()) if is_going_on else None
    late = await late_run(context, reader, deployment)
    return replace(
        card,
        about_left=None if isinstance(left, Overrun) else left,
        overrun=left if isinstance(left, Overrun) else None,
        stages_take=await stages_take(reader, card),
        late=late,
    )


async def _with_people(
    context: Context, reader: Reader, card: Card, policy: EnvironmentPolicy
) -> Card:
    deployment = card.deployment
    waits_for = (
        await reader.holder(deployment.service, deployment.environment)
        if deployment.state is State.QUEUED
        else ""
    )
    ahead = (
        await ahead_in(context, reader, waits_for) if waits_for not in {"", deployment.id} else None
    )
    watchers = tuple(
        mark.by for mark in await reader.marks(deployment.id) if mark.key.startswith("watching:")
    )
    watch_until = deployment.landed_at + policy.watch if deployment.landed_at else None
    summary = (
        deployment.landed_at + policy.summary_after
        if deployment.landed_at and policy.summary_after
        else None
    )
    summary = summary if summary and summary > context.now() else None
    is_coming = deployment.state in CAN_GO | {State.QUEUED}
    watched = (
        await watched_in(context, reader, deployment.service, deployment.environment)
        if is_coming
        else None
    )
    return replace(
        card,
        waits_for=waits_for,
        ahead=ahead,
        watched=watched,
        watched_by=watchers,
        watch_until=watch_until,
        next_summary_at=summary,
    )


async def _with_standstill(context: Context, reader: Reader, card: Card) -> Card:
    """Say what the numbers and the rules keep a rollout from, and whether it is clear what
    runs in its environment.
    """
    deployment = card.deployment
    ground = await reader.ground(deployment)
    doubt = "" if card.is_history else ground.in_words
    trouble = await reader.trouble(deployment.id)
    card = replace(
        card,
        trouble=trouble,
        is_settled=trouble is not None and await has_word(reader, deployment, trouble),
    )
    again = bool(doubt) and await is_again(reader, deployment)
    before = (
        await lasttime.of(reader, deployment)
        if deployment.state in WAITING | {State.ROLLING_OUT}
        else None
    )
    is_own = (
        ground.doubt is not None
        and is_of(ground.doubt.deployment, deployment.id)
        and not ground.strays
    )
    card = replace(
        card,
        doubt=doubt,
        is_doubt_own=is_own,
        is_again=again,
        last_time=before,
        let_go=await word.let_go(reader, card),
    )
    if deployment.state in {State.ROLLING_OUT, State.WATCHING}:
        card = replace(card, besides=await word.besides(context, reader, deployment))
    if deployment.state is not State.ROLLING_OUT or not any(
        step.state is StepState.PENDING or step.is_gated for step in card.steps
    ):
        return card
    found = await standstill(context, reader, deployment)
    sentences = await why_not_on(context, reader, deployment)
    if not sentences:
        return card
    is_watch = [each.kind for each in found] == [Obstacle.WATCHED]
    watched = (
        await watched_in(context, reader, deployment.service, deployment.environment)
        if is_watch
        else None
    )
    return replace(
        card,
        standstill=sentences[0],
        kept=kept_by(context, found[0]) if found else None,
        watched=watched,
    )


async def _with_way_back(context: Context, reader: Reader, card: Card) -> Card:
    deployment = card.deployment
    if deployment.state in CAN_ROLL_BACK | WAITING:
        return await _with_offer(context, reader, card)
    if deployment.state is State.SUPERSEDED:
        return _replaced_by(
            replace(card, declared=await _word_for(reader, deployment)),
            await reader.replaced(deployment.id),
        )
    if deployment.state not in {State.ROLLING_BACK, State.ROLLED_BACK}:
        return card
    return await _with_rollback(context, reader, card)


async def _with_offer(context: Context, reader: Reader, card: Card) -> Card:
    """Say what its rollback would do, or why there is none."""
    deployment = card.deployment
    offer = await rollback_offer(context, reader, deployment)
    if deployment.is_only_let_go:
        live = await reader.live(deployment.service, deployment.environment)
        there = f"; {live.version} is there" if live else ""
        offer = replace(
            offer,
            refused=f"Nothing of it has been started yet{there}. It can be cancelled.",
            plan="",
            confirmed=None,
        )
    card = await _with_failed_back(reader, card)
    if deployment.state is State.WATCHING:
        card = replace(card, declared=await _word_for(reader, deployment))
    if deployment.state in {State.VERIFIED, State.ACCEPTED, State.FAILED}:
        place = (deployment.service, deployment.environment)
        stands, current = await reader.current(*place), await undoable(reader, *place)
        live = await reader.live(*place)
        is_there = stands is not None and stands.id == deployment.id
        card = await (_put_back(card, live) if is_there else _replaced(reader, card, live))
        if current is None or current.id != deployment.id:
            by = await brought_by(reader, live) if live is not None else None
            offer = replace(
                offer, refused=_why_gone(card, live, current, by), plan="", confirmed=None
            )
        else:
            card = replace(card, is_to_undo=True)
    return replace(
        card,
        rollback=offer,
        quarantined=bool(await reader.quarantine(deployment.service, deployment.commit)),
    )


async def _with_rollback(context: Context, reader: Reader, card: Card) -> Card:
    """Say how its rollback goes, or what that has put back."""
    deployment = card.deployment
    back = await reader.rollback_of(deployment.id)
    every = await reader.locks(deployment.service, deployment.environment)
    holding = [lock for lock in every if lock.holds(card.now)]
    own = next((lock for lock in holding if is_of(lock.deployment, deployment.id)), None)
    card = replace(
        card, lock=own, other_locks=len(holding) - (own is not None),
        quarantined=bool(await reader.quarantine(deployment.service, deployment.commit)),
        way_back=await reader.steps(back.id) if back else (),
        rolled_back_by=back.requested_by if back else None,
        rolled_back_version=back.version if back else "",
        went_back=await wentback.of(reader, deployment) if back else None,
        hangs=await hanging(context, reader, deployment),
        meanwhile=await wentback.numbers_meanwhile(reader, back.id) if back else None,
    )  # fmt: skip
    return (
        await _with_cure(reader, card, back)
        if back is not None and deployment.state is State.ROLLED_BACK
        else card
    )


async def _with_failed_back(reader: Reader, card: Card) -> Card:
    """Say that its newest rollback has failed, and what served last as far as was seen
    while that was under way.
    """
    back = await reader.rollback_of(card.deployment.id)
    if back is None or back.state is not State.FAILED:
        return card
    card = replace(card, failed_back=back)
    if card.deployment.state is not State.FAILED:
        return card
    return replace(
        card,
        stood_before=await wentback.stood(reader, card.deployment),
        way_back=await reader.steps(back.id),
        rolled_back_version=back.version,
        meanwhile=await wentback.numbers_meanwhile(reader, back.id),
    )


async def _word_for(reader: Reader, deployment: Deployment) -> Declared | None:
    """Give the word on which a deployment's commit is live in its place."""
    live = await reader.live(deployment.service, deployment.environment)
    return live.declared if live is not None and live.commit == deployment.commit else None


async def _with_cure(reader: Reader, card: Card, back: Deployment) -> Card:
    """Say what a rollback has put back, since when, how its numbers are, and
    what came right after it.
    """
    looked = [shot for shot in await reader.snapshots(back.id) if shot.at >= back.state_since]
    card = replace(
        card, live=back.version, live_since=back.state_since, after=looked[-1] if looked else None
    )
    return _replaced_by(card, await reader.replaced(back.id))


def _why_gone(
    card: Card, live: Live | None, current: Deployment | None, by: Deployment | None
) -> str:
    """Say why a deployment that nothing stands on any more has no button."""
    if card.replaced_by and not card.declared:
        said = card.replaced_on_word_of is not None
        return (
            f"{card.replaced_by} was said to be live since."
            if said
            else "Another version has been deployed since."
        )
    if current is not None:
        return (
            f"{current.id} has come to {current.environment} after it: its "
            "card says what can be done."
        )
    if live is not None and live.declared is not None:
        brought = f"brought there by {by.id}" if by else "and no deployment brought it"
        return f"{live.version} is live on somebody's word, {brought}: deploy what should be there."
    return GONE


async def _replaced(reader: Reader, card: Card, live: Live | None) -> Card:
    """Say what came right after a deployment that nothing stands on any more, or by whom
    its commit is live again.
    """
    brought_it = (
        live is not None
        and is_of(live.deployment, card.deployment.id)
        and card.deployment.state is not State.FAILED
    )
    same = (
        live
        if live is not None and live.commit == card.deployment.commit and not brought_it
        else None
    )
    back = (
        await reader.deployment(same.deployment)
        if same is not None and same.declared is None
        else None
    )
    if back is not None and back.kind is Kind.ROLLBACK and card.deployment.state is State.FAILED:
        return replace(card, live_since=back.state_since, put_back_by=back.requested_by)
    card = _replaced_by(card, await reader.replaced(card.deployment.id))
    return replace(card, declared=same.declared if same is not None else None)


async def _put_back(card: Card, live: Live | None) -> Card:
    """Say since when what was away is live again: a rollback has put it back."""
    was_away = (
        live is not None
        and live.declared is None
        and not is_of(live.deployment, card.deployment.id)
    )
    return replace(card, live_since=live.since) if live is not None and was_away else card


def _replaced_by(card: Card, after: Replaced | None) -> Card:
    if after is None:
        return card
    return replace(
        card, replaced_by=after.version, replaced_at=after.at, replaced_on_word_of=after.by
    )


def words_of(strategy: Strategy) -> str:
    """Write a strategy for people: ``canary 5 → 25 → 100 %``."""
    return f"{strategy.name} {' → '.join(str(step.percent) for step in strategy.steps)} %"
