"""What the lead alone decides: watching, letting a rollout go on, stopping a countdown."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Proceed, StopCountdown, Watch
from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.errors import NotPossible
from bot.domain.people import Person
from bot.domain.trouble import Trouble
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.services.alone import only_lead
from bot.services.asked import facts_of_going_on
from bot.services.context import Context, act, as_shown, existing, facts_of, note, seen
from bot.services.deployments import require_still
from bot.services.given import word_for
from bot.services.word import as_found, besides, counting, decide, decided_about, stop, stopped_for


async def may_proceed(context: Context, by: Person, id: DeploymentId) -> None:
    """Look whether somebody may let a rollout go on. Raises Refusal."""
    await _still_led(context, by, id, "let it go on")
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        trouble = await _open_trouble(reader, deployment)
        await _not_said_yet(reader, by, deployment, trouble)
        await _kept_by_numbers_alone(context, reader, deployment)


async def may_stop_countdown(context: Context, by: Person, id: DeploymentId) -> None:
    """Look whether somebody may stop the countdown. Raises Refusal."""
    await _still_led(context, by, id, "stop the countdown")


async def watch(context: Context, intent: Intent, command: Watch) -> Answer | None:
    """Store that the lead watches."""
    await _still_led(context, intent.by, command.deployment, "say that it is being watched")
    return await act(context, intent, lambda tx: _watch(context, intent, tx, command))


async def _watch(context: Context, intent: Intent, tx: Transaction, command: Watch) -> Answer:
    deployment = await _led(tx, intent.by, command.deployment, "say that it is being watched")
    as_shown(Action.WATCH, command.shown, await seen(tx, deployment))
    await tx.mark(Mark(deployment.id, f"watching:{intent.by}", intent.by, context.now()))
    await note(tx, context.now(), "watch", deployment, intent.by)
    return Answer("watching", facts_of(deployment))


async def proceed(context: Context, intent: Intent, command: Proceed) -> Answer | None:
    """Let a rollout that stands still because of one finding go on, on the
    lead's word and with a reason.
    """
    await _still_led(context, intent.by, command.deployment, "let it go on")
    return await act(context, intent, lambda tx: _proceed(context, intent, tx, command))


async def _proceed(context: Context, intent: Intent, tx: Transaction, command: Proceed) -> Answer:
    deployment = await _led(tx, intent.by, command.deployment, "let it go on")
    trouble = await _open_trouble(tx, deployment)
    await _not_said_yet(tx, intent.by, deployment, trouble)
    await _kept_by_numbers_alone(context, tx, deployment)
    await as_found(tx, deployment, trouble, Action.PROCEED, command.shown)
    trouble = await decided_about(context, tx, deployment, trouble)
    await decide(
        tx,
        deployment,
        trouble,
        Mark(deployment.id, word_for(trouble), intent.by, context.now(), command.reason),
    )
    await tx.set_countdown(deployment.id, None)
    await note(
        tx, context.now(), "proceed", deployment, intent.by,
        where=trouble.where, reason=command.reason, finding=trouble.number
    )  # fmt: skip
    going = await facts_of_going_on(context, tx, deployment, trouble.where)
    about = {
        **facts_of(deployment),
        "by": str(intent.by),
        "reason": command.reason,
        "at": context.now().isoformat(),
        **going,
    }
    await tx.say(
        Message(f"{deployment.id}:proceeds:{trouble.number}", "proceeds", about, deployment.id)
    )
    await tx.wake(deployment.id)
    return Answer("proceeding", {**facts_of(deployment), "reason": command.reason, **going})


async def _not_said_yet(
    reader: Reader, by: Person, deployment: Deployment, trouble: Trouble
) -> None:
    """Refuse a second word about one finding: an older button says nothing
    new. Raises NotPossible.
    """
    word = next(
        (mark for mark in await counting(reader, deployment) if mark.key == word_for(trouble)), None
    )
    if word is not None:
        who = "You have" if word.by == by else f"{word.by.mention} has"
        raise NotPossible(f"{who} let {deployment.title} go on over this already: {word.reason}")


async def _kept_by_numbers_alone(context: Context, reader: Reader, deployment: Deployment) -> None:
    """Refuse a word about numbers where it would let nothing go on. Raises NotPossible."""
    why = await besides(context, reader, deployment)
    if why:
        raise NotPossible(
            f"More than its numbers keeps {deployment.title}: {why}. A word about its numbers "
            "would let nothing go on now; "
            "you are asked about them when that has ended."
        )


async def _open_trouble(reader: Reader, deployment: Deployment) -> Trouble:
    trouble = await reader.trouble(deployment.id)
    if trouble is None or not trouble.is_open:
        raise NotPossible(
            f"Nothing keeps {deployment.title} by its numbers now, so there "
            "is nothing to let go on."
        )
    return trouble


async def stop_countdown(context: Context, intent: Intent, command: StopCountdown) -> Answer | None:
    """Stop the automatic rollback for one finding, with a reason. It stands still until the lead
    decides or the numbers recover.
    """
    await _still_led(context, intent.by, command.deployment, "stop the countdown")
    return await act(context, intent, lambda tx: _stop_countdown(context, intent, tx, command))


async def _stop_countdown(
    context: Context, intent: Intent, tx: Transaction, command: StopCountdown
) -> Answer:
    deployment = await _led(tx, intent.by, command.deployment, "stop the countdown")
    if deployment.countdown_until is None:
        raise NotPossible(f"No countdown runs for {deployment.title}.")
    trouble = await _open_trouble(tx, deployment)
    await stop(
        tx,
        deployment,
        trouble,
        Mark(deployment.id, stopped_for(trouble), intent.by, context.now(), command.reason),
        command.shown,
    )
    await tx.set_countdown(deployment.id, None)
    await note(
        tx, context.now(), "stop_countdown", deployment, intent.by,
        where=trouble.where, reason=command.reason, finding=trouble.number
    )  # fmt: skip
    about = {**facts_of(deployment), "by": str(intent.by), "reason": command.reason}
    await tx.say(
        Message(
            f"{deployment.id}:countdown-stopped:{trouble.number}",
            "countdown_stopped",
            about,
            deployment.id,
        )
    )
    await tx.wake(deployment.id)
    return Answer("countdown_stopped", {**facts_of(deployment), "reason": command.reason})


async def _still_led(context: Context, by: Person, id: DeploymentId, what: str) -> None:
    """Look whether somebody leads a rollout, and could be made its lead now. This may wait for a
    directory or a schedule.
    """
    async with context.store.reading() as reader:
        deployment = await _led(reader, by, id, what)
    await require_still(context, deployment, by)


async def _led(reader: Reader, by: Person, id: DeploymentId, what: str) -> Deployment:
    deployment = await existing(reader, id)
    if deployment.state not in {State.ROLLING_OUT, State.WATCHING}:
        raise NotPossible(f"{deployment.stands}; that is not possible any more.")
    if by != deployment.lead:
        raise only_lead(deployment, what)
    return deployment
