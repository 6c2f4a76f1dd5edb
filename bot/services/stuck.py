"""The alarm about a runbook that cannot go on without a person: what it was about, and what
nobody looks at any more.
"""

from __future__ import annotations

import structlog

from bot.domain.deployment import DeploymentId
from bot.ports.engine import RunRecord
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, facts_of, note

log = structlog.get_logger(__name__)

OF_ITS_DEPLOYMENT = frozenset(
    {"deploy", "roll_back", "observe", "observe_back", "watch", "summary"}
)
"""The runbooks whose first argument is a deployment."""


async def stuck(context: Context, run: RunRecord, why: str) -> None:
    """Raise the alarm when a runbook cannot go on without a person; the channel is told what
    is not looked at any more.
    """
    log.error("a runbook cannot go on", run=run.id, why=why)
    async with context.store.transaction() as tx:
        if run.name == "unseen":
            return await _place_stuck(context, tx, run, why)
        about = await _about(tx, run)
        deployment = await tx.deployment(about)
        if deployment is None:
            return None
        now = context.now()
        await note(tx, now, "stuck", deployment, why=why)
        facts = {
            **facts_of(deployment),
            "why": why,
            "since": now.isoformat(),
            "runbook": run.name,
            "run": run.id,
        }
        return await tx.say(
            Message(
                f"{run.id}:stuck:{now.isoformat()}",
                "stuck",
                facts,
                deployment.undoes or about,
                to="channel",
            )
        )


async def _about(tx: Transaction, run: RunRecord) -> DeploymentId:
    """Name the deployment that a runbook is about; empty for none."""
    first = str(run.args[0]) if run.args else ""
    if run.name == "chase":
        stray = next((each for each in await tx.strays(first) if each.run == run.args[1]), None)
        return stray.deployment if stray else ""
    return first if run.name in OF_ITS_DEPLOYMENT else ""


async def _place_stuck(context: Context, tx: Transaction, run: RunRecord, why: str) -> None:
    service, environment = str(run.args[0]), str(run.args[1])
    known = context.catalog.services.get(service)
    live, now = await tx.live(service, environment), context.now()
    facts: dict[str, Json] = {
        "id": "", "service": service, "environment": environment,
        "version": live.version if live else "", "lead": "", "requested_by": "",
        "why": why, "since": now.isoformat(), "runbook": run.name, "run": run.id,
    }  # fmt: skip
    await tx.say(
        Message(
            f"{run.id}:stuck:{now.isoformat()}",
            "stuck",
            facts,
            to="channel",
            channel=known.channel if known else "",
        )
    )
