"""The check before asking: every gate, as it would be now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from bot.domain.catalog import EnvironmentPolicy, Permission
from bot.domain.commands import Check
from bot.domain.deployment import (
    WAITING,
    Deployment,
    Kind,
    State,
)
from bot.domain.errors import IntegrationError, NotPossible
from bot.domain.live import Live
from bot.domain.people import Person
from bot.domain.rollback import Way
from bot.ports.ci import Resolved
from bot.ports.talk import Answer, Intent
from bot.queries.silences import untold
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
        place = (command.service, command.environment)
        live, releases = await reader.live(*place), await reader.releases(*place)
        failed = await reader.failed_since(*place)
    try:
        resolved = await resolve(context, place, command.ref, live, releases)
    except IntegrationError as error:
        async with context.store.reading() as reader:
            sentence = await untold(reader, command.service, error)
        raise NotPossible(sentence, meant=error.meant) from error
    imagined = _imagined(command, policy, resolved, live, intent.by, context.now())
    facts = await provider_facts.ask_providers(context, imagined)
    changes, way = await compared(
        context, command.service, leaving=imagined.base_commit, to=resolved.commit, beside=failed
    )
    back = await _way_back(context, imagined, failed)
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
            "tally": asdict(review.tally),
            "ref": command.ref, "kind": resolved.kind.value, "name": resolved.name,
            "commit": resolved.commit, "took": took,
            "ready": review.is_ready and not quarantined and not needless, "needless": needless,
            "quarantined": quarantined, "unclear": doubt, "changes": asdict(changes),
            "again": lasttime.facts_of_last_time(again),
            "approvals": [{"role": rule.role, "count": rule.count} for rule in policy.approvals],
        },
    )  # fmt: skip


def _imagined(
    command: Check,
    policy: EnvironmentPolicy,
    resolved: Resolved,
    live: Live | None,
    by: Person,
    now: datetime,
) -> Deployment:
    """Describe the deployment that would be asked for now."""
    return Deployment(
        "", Kind.FORWARD, command.service, command.environment,
        command.ref, resolved.version, resolved.commit, policy.strategy,
        by, None, State.GATED, now, now, base_commit=live.commit if live else "",
        base_version=live.version if live else "",
    )  # fmt: skip


async def _way_back(context: Context, imagined: Deployment, failed: Sequence[str]) -> Way | None:
    """Judge going back from it to what it would be rolled back to; None where nothing is that."""
    async with context.store.reading() as reader:
        target = await target_for(reader, imagined) or await last_resort(reader, imagined)
    return (
        await way_back(
            context, imagined.service, leaving=imagined.commit, to=target.commit, beside=failed
        )
        if target
        else None
    )
