"""Quarantine, on somebody's word: what the bot cannot know, a person with the right
to may say, with a reason.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.domain import plain, rollback
from bot.domain.audit import Entry
from bot.domain.called import name_of
from bot.domain.catalog import Permission
from bot.domain.commands import Quarantine, Unquarantine
from bot.domain.deployment import Deployment
from bot.domain.errors import IntegrationError, NotPossible
from bot.domain.health import worst_seen
from bot.domain.observation import is_shown_bad
from bot.domain.people import GONOGO, Person
from bot.domain.rollback import KeptOutBy
from bot.ports.ci import Resolved
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent
from bot.services import standstills
from bot.services.context import Context, act, note
from bot.services.leaving import going_back_to
from bot.services.quarantine_news import (
    say_quarantined,
    tell_all,
    tell_ways_again,
    tell_ways_back,
    tell_where_live,
    where_it_is,
)
from bot.services.refs import bearers, look_up
from bot.services.word import end_words

PATIENCE = 1.0
"""How long the CI provider is waited for where what is meant is known here, in seconds."""


async def quarantine(context: Context, intent: Intent, command: Quarantine) -> Answer | None:
    """Keep a commit of a service from being deployed, or gone back to, anywhere."""
    await context.people.require(intent.by, Permission.LOCK, "quarantine a version")
    meant_here = await _meant_here(context, command.service, command.ref)
    return await act(
        context, intent, lambda tx: _quarantine(context, intent, tx, command, meant_here)
    )


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a ref means to a quarantine."""

    resolved: Resolved
    known: str = ""
    """The commit that it was here, where the CI provider does not say which one it is now."""
    told: str = ""
    """What the CI provider says instead; empty where it does not answer."""


async def _meant_here(context: Context, service: str, ref: str) -> _Meant:
    """Look up what is to be kept out, or let in again. What has been pinned here waits for no CI
    provider, and outlives its tag.

    Raises NotPossible, and IntegrationError for what has never been here.
    """
    context.service(service)
    async with context.store.reading() as reader:
        named = await bearers(reader, service, ref)
        pinned = named or await reader.pinned(service, ref)
    rollback.refuse_moved(ref, named)
    if len(pinned) != 1:
        return _Meant(await resolved_ref(context, service, ref))
    try:
        async with asyncio.timeout(PATIENCE):
            now = await look_up(context, service, ref)
    except (IntegrationError, TimeoutError) as error:
        answers = isinstance(error, IntegrationError) and not error.retry
        return _Meant(
            Resolved(pinned[0], ref),
            pinned[0][: plain.SHORT],
            plain.line(str(error)) if answers else "",
        )
    rollback.refuse_moved(ref, list(dict.fromkeys([now.commit, *pinned])))
    return _Meant(now)


async def _quarantine(
    context: Context, intent: Intent, tx: Transaction, command: Quarantine, meant_here: _Meant
) -> Answer:
    resolved = meant_here.resolved
    known = await tx.quarantine(command.service, resolved.commit)
    if known:
        raise NotPossible(f"{resolved.version} is quarantined already: {known}")
    going_back = await going_back_to(context, tx, command.service, resolved.commit)
    await tx.put_in_quarantine(
        command.service, resolved.commit, reason=command.reason, by=intent.by, at=context.now()
    )
    await _written(tx, intent, "quarantine", command.service, resolved, command.reason)
    await tell_all(context, tx, intent, resolved, command, lifted=False)
    about = (resolved.commit, resolved.version)
    ways_back = await tell_ways_back(
        context, tx, going_back, command.service, *about, by=intent.by, key=intent.key
    )
    facts = {
        "service": command.service, "version": resolved.version,
        "reason": command.reason, "ways_back": ways_back,
        **await where_it_is(context, tx, command.service, resolved.commit),
    }  # fmt: skip
    return Answer("quarantined", {**facts, "unanswered": meant_here.known, "told": meant_here.told})


async def unquarantine(context: Context, intent: Intent, command: Unquarantine) -> Answer | None:
    """Let a commit be deployed again, with a reason that stays."""
    await context.people.require(intent.by, Permission.LOCK, "lift a quarantine")
    resolved = (await _meant_here(context, command.service, command.ref)).resolved
    return await act(
        context, intent, lambda tx: _unquarantine(context, intent, tx, command, resolved)
    )


async def _unquarantine(
    context: Context, intent: Intent, tx: Transaction, command: Unquarantine, resolved: Resolved
) -> Answer:
    stood = await standstills.kept(
        context, tx, await tx.of_commit(command.service, resolved.commit)
    )
    if not await tx.lift_quarantine(command.service, resolved.commit):
        raise NotPossible(
            f"{resolved.version} of {command.service} is not quarantined; nothing was changed."
        )
    await _written(tx, intent, "unquarantine", command.service, resolved, command.reason)
    going = await standstills.freed(context, tx, stood)
    await end_words(context, tx, going)
    await tell_all(context, tx, intent, resolved, command, lifted=True, going=going)
    ways_again = await tell_ways_again(context, tx, intent, command.service, resolved)
    facts = {
        "service": command.service,
        "version": resolved.version,
        "reason": command.reason,
        "ways_again": ways_again,
    }
    return Answer("unquarantined", {**facts, "goes_on": standstills.facts_of_freed(stood, going)})


async def resolved_ref(context: Context, service: str, ref: str) -> Resolved:
    """Look up what a ref means, for a decision about one commit and no other.

    Raises NotPossible for one that does not exist or has meant another commit here,
    IntegrationError while the provider does not answer.
    """
    context.service(service)
    try:
        resolved = await look_up(context, service, ref)
    except IntegrationError as error:
        if error.retry:
            raise
        raise NotPossible(str(error), meant=error.meant) from error
    if ref == name_of(resolved.version):
        async with context.store.reading() as reader:
            before = await bearers(reader, service, ref)
        rollback.refuse_moved(ref, list(dict.fromkeys([resolved.commit, *before])))
    return resolved


async def _written(
    tx: Transaction,
    intent: Intent,
    action: str,
    service: str,
    resolved: Resolved,
    reason: str,
    *,
    environment: str = "",
) -> None:
    facts = {
        "service": service,
        "environment": environment,
        "commit": resolved.commit,
        "version": resolved.version,
        "reason": reason,
    }
    await tx.audit(Entry(at=intent.at, actor=intent.by, action=action, facts=facts))


async def keep_out_undone(
    context: Context, tx: Transaction, undone: Deployment, back: Deployment
) -> bool:
    """Keep a commit out that was shown to be bad, in the moment in which its rollback is
    decided; tell whether it was.

    One whose numbers were good at its end is not judged by the wish to have it away.
    """
    is_verified = await tx.was_verified(undone)
    is_bad = (
        is_shown_bad(
            await tx.trouble(undone.id), await tx.steps(undone.id), is_verified=is_verified
        )
        or back.requested_by == GONOGO
    )
    if is_bad:
        because = back.reason or worst_seen(await tx.snapshots(undone.id))
        why = rollback.why_quarantined(
            undone.environment, at=back.requested_at, because=because, how=KeptOutBy.ROLLBACK
        )
        await keep_out(
            context,
            tx,
            undone,
            by=back.requested_by,
            at=back.requested_at,
            why=why,
            how=KeptOutBy.ROLLBACK,
        )
    return is_bad


async def keep_out(
    context: Context,
    tx: Transaction,
    shown_bad: Deployment,
    *,
    by: Person,
    at: datetime,
    why: str,
    how: KeptOutBy,
) -> None:
    """Quarantine the commit of what was shown to be bad, and tell everybody whom
    that concerns elsewhere.
    """
    about = (shown_bad.service, shown_bad.commit)
    is_known = bool(await tx.quarantine(*about))
    going_back = await going_back_to(context, tx, *about)
    await tx.put_in_quarantine(*about, by=by, at=at, reason=why)
    key = f"{shown_bad.id}:{context.now().isoformat()}"
    await tell_ways_back(context, tx, going_back, *about, shown_bad.version, by=by, key=key)
    if not is_known:
        await note(tx, at, "quarantined", shown_bad, by, how=str(how))
        await say_quarantined(context, tx, shown_bad, why)
    await tell_where_live(context, tx, shown_bad, by=by, why=why, how=how)
