"""What speaks for or against a word: the requests of the last minutes, and the last run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta

from bot.domain.counted import Counted, beyond, whole
from bot.domain.errors import IntegrationError
from bot.ports.metrics import Cohort, Window
from bot.ports.time import Json
from bot.services import unseen
from bot.services.claims import Claim
from bot.services.context import Context
from bot.services.snapshots import observe

RECENT = timedelta(minutes=5)
"""Whose numbers are looked at before somebody says what is live."""

PATIENCE = 2.0
"""Seconds that the dialog waits for what the providers say."""


async def evidence_for(context: Context, claim: Claim, asked: unseen.Asked) -> dict[str, Json]:
    """Ask the metrics whose requests they see, and the CI provider how the last run of what is
    recorded ended; nobody waits for long.
    """
    facts: dict[str, Json] = {
        "minutes": int(RECENT.total_seconds() // 60),
        "traffic": None,
        "run": "",
        "run_url": "",
    }
    try:
        async with asyncio.timeout(PATIENCE):
            facts["traffic"] = await _traffic(context, claim, asked)
            facts |= await _last_run(context, claim)
    except (TimeoutError, IntegrationError):
        return facts
    return facts


async def _traffic(context: Context, claim: Claim, asked: unseen.Asked) -> list[Json]:
    """Count the requests of the last minutes by version; None for one of which
    the metrics say nothing.
    """
    cohorts = {claim.said.version: Cohort(claim.said.commit)}
    for each in asked.of:
        cohorts[f"{each.version} ({each.commit[:7]})"] = Cohort(each.commit)
    cohorts[f"everything but {claim.said.version}"] = Cohort(claim.said.commit, others=True)
    now, policy, service = (
        context.now(),
        context.policy(claim.service, claim.environment),
        context.service(claim.service),
    )
    found_of: list[Counted] = []
    for name, cohort in cohorts.items():
        windows = (Window(now - RECENT, now), Window(now - unseen.LATELY, now))
        long, lately = [
            await observe(context, service, policy, window, cohort) for window in windows
        ]
        counts = [_requests(each.requests for each in found.values()) for found in (long, lately)]
        found_of.append(Counted(name, *counts))
    first, *others, rest = found_of
    all_of_it = whole(first, others, rest)
    more = beyond(others, rest)
    shown = [first, *others, *([more] if more else [])]
    return [{**asdict(each), "share": each.share(all_of_it)} for each in shown]


def _requests(counts: Iterable[float]) -> float | None:
    return max(counts, default=None)


async def _last_run(context: Context, claim: Claim) -> dict[str, Json]:
    async with context.store.reading() as reader:
        steps = (
            await reader.steps(claim.live.deployment)
            if claim.live and claim.live.deployment
            else ()
        )
    last = next((step for step in reversed(steps) if step.run), None)
    if last is None:
        return {}
    run = await context.providers[claim.service].ci.look(last.run)
    return {"run": str(run.state), "run_url": run.url}
