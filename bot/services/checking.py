"""The check before asking: every gate, as it would be now."""

from __future__ import annotations

from dataclasses import asdict

from bot.domain.catalog import Permission
from bot.domain.commands import Check
from bot.domain.deployment import (
    WAITING,
    Deployment,
    Kind,
    State,
)
from bot.domain.errors import IntegrationError, NotPossible
from bot.ports.talk import Answer, Intent
from bot.services import lasttime, provider_facts, readiness
from bot.services.context import Context, facts_of, unclear
from bot.services.needless import needless_now, under_way
from bot.services.queueing import resolve
from bot.services.refs import moved_from, what_was_taken
from bot.services.targets import last_resort, target_for
from bot.services.ways import compared, way_back


async def check(context: Context, intent: Intent, command: Check) -> Answer:
    """Answer ``/deploy check``: every gate, as it is for the deployment that waits, else as it
    would be for one asked for now.

    Nothing is stored.
    """
    await context.people.require(intent.by, Permission.VIEW, "check a release")
    policy = context.policy(command.service, command.environment)
    async with context.store.reading() as reader:
        live = await reader.live(command.service, command.environment)
        releases = await reader.releases(command.service, command.environment)
        failed = await reader.failed_since(command.service, command.environment)
    try:
        resolved = await resolve(context, command.service, command.ref, live, releases)
    except IntegrationError as error:
        raise NotPossible(error.answered) from error
    now = context.now()
    imagined = Deployment(
        "", Kind.FORWARD, command.service, command.environment,
        command.ref, resolved.version, resolved.commit, policy.strategy,
        intent.by, None, State.GATED, now, now, base_commit=live.commit if live else "",
        base_version=live.version if live else "",
    )  # fmt: skip
    facts = await provider_facts.ask_providers(context, imagined)
    changes, way = await compared(
        context, command.service, leaving=imagined.base_commit, to=resolved.commit, beside=failed
    )
    async with context.store.reading() as reader:
        target = await target_for(reader, imagined) or await last_resort(reader, imagined)
    back = (
        await way_back(
            context, command.service, leaving=resolved.commit, to=target.commit, beside=failed
        )
        if target
        else None
    )
    async with context.store.reading() as reader:
        asked = await under_way(reader, command.service, command.environment, resolved.commit)
        looked_at = asked if asked and asked.state in WAITING else imagined
        review = await readiness.review(context, reader, looked_at, facts, way=way, way_back=back)
        quarantined = await reader.quarantine(command.service, resolved.commit)
        doubt = await unclear(reader, command.service, command.environment)
        took = what_was_taken(
            resolved, await moved_from(reader, imagined, resolved.version, resolved.commit)
        )
        again = await lasttime.of(reader, looked_at)
        needless = (
            await needless_now(context, reader, command.service, command.environment, resolved)
            if looked_at is imagined
            else ""
        )
    return Answer(
        "check",
        {
            **facts_of(imagined), "title": imagined.title,
            "gates": [readiness.facts_of_gate(gate) for gate in review.gates],
            "ref": command.ref, "kind": resolved.kind.value, "name": resolved.name,
            "commit": resolved.commit, "took": took,
            "ready": review.is_ready and not quarantined and not needless, "needless": needless,
            "quarantined": quarantined, "unclear": doubt, "changes": asdict(changes),
            "again": lasttime.facts_of_last_time(again),
            "approvals": [{"role": rule.role, "count": rule.count} for rule in policy.approvals],
        },
    )  # fmt: skip
