"""The status: for each place what is live, runs, waits, is locked or frozen; of what is live also
what it has of the requests now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from bot.domain.called import called
from bot.domain.catalog import Permission, Service
from bot.domain.commands import Status
from bot.domain.declared import Declared
from bot.domain.gates import frozen_by
from bot.domain.live import Live
from bot.domain.places import Unclear, may_be_answered
from bot.domain.rollback import Leaving
from bot.ports.board import BoardRow, GoingBack, StatusLine
from bot.ports.reader import Reader
from bot.ports.talk import Answer, Intent
from bot.ports.time import Json
from bot.queries.status_line import status_line
from bot.services.claims import kept_from_a_word
from bot.services.context import Context, facts_of_snapshot, unclear
from bot.services.leaving import out_of, share_now, way_out
from bot.services.locks import facts_of_lock
from bot.services.serving import facts_of_beside, numbers_of_live, serves_beside


async def rows(context: Context, service: str = "") -> tuple[BoardRow, ...]:
    """Tell for each environment what is live, runs, waits, is locked or frozen."""
    services = [context.service(service)] if service else list(context.catalog.services.values())
    async with context.store.reading() as reader:
        return tuple([row for each in services for row in await _of_service(context, reader, each)])


async def _of_service(context: Context, reader: Reader, service: Service) -> list[BoardRow]:
    names = await _names(reader, service)
    return [
        await _row(context, reader, service.name, environment, names)
        for environment in service.environments
    ]


async def _row(
    context: Context,
    reader: Reader,
    service: str,
    environment: str,
    names: tuple[tuple[str, str], ...],
) -> BoardRow:
    place, now = (service, environment), context.now()
    freeze, live = frozen_by(context.catalog.freezes, environment, now), await reader.live(*place)
    doubt = await unclear(reader, *place)
    coming = await reader.open_deployments(*place)
    going_back, others = _parted(
        [await status_line(context, reader, each, names) for each in coming]
    )
    row = BoardRow(
        *place,
        replace(live, version=called(live.version, live.commit, beside=names)) if live else None,
        others,
        tuple(lock for lock in await reader.locks(*place) if lock.holds(now)),
        freeze.end if freeze else None,
        freeze.reason if freeze else "",
        doubt,
        serves=await serves_beside(context, reader, *place, live),
        going_back=going_back,
    )
    row = await _with_doubt(context, reader, row) if doubt else row
    return await _with_live(context, reader, row, live) if live else row


def _parted(
    lines: Sequence[StatusLine],
) -> tuple[GoingBack | None, tuple[StatusLine, ...]]:
    """Tell a rollback under way, with what it undoes, from whatever else is open in its place."""
    undone = {each.id: each for each in lines}
    back = next((each for each in lines if each.undoes in undone), None)
    if back is None:
        return None, tuple(lines)
    leaving = undone[back.undoes]
    going_back = GoingBack(
        back.id, back.version, leaving.id, leaving.version, leaving.lead, leaving.silence
    )
    return going_back, tuple(each for each in lines if each.id not in {back.id, leaving.id})


async def _with_doubt(context: Context, reader: Reader, row: BoardRow) -> BoardRow:
    """Say what can be done where it is unclear what runs. No rollback ends the doubt about a
    database that was put back.
    """
    place = (row.service, row.environment)
    doubt, held = await reader.doubt(*place), await kept_from_a_word(context, reader, *place)
    is_copy = doubt is not None and doubt.kind is Unclear.RESTORED
    goes_back = not is_copy and (await out_of(context, reader, *place)).how is Leaving.ROLLBACK
    can_deploy = doubt is not None and may_be_answered(doubt)
    return replace(
        row, can_roll_back=goes_back, can_deploy=can_deploy, held_by=held.id if held else ""
    )


async def _with_live(context: Context, reader: Reader, row: BoardRow, live: Live) -> BoardRow:
    quarantined = await reader.quarantine(live.service, live.commit)
    return replace(
        row, snapshot=await numbers_of_live(reader, live), quarantined=quarantined,
        way_out=await way_out(context, reader, live) if quarantined else None,
        share=None if row.unclear or row.going_back else await share_now(reader, live),
    )  # fmt: skip


async def _names(reader: Reader, service: Service) -> tuple[tuple[str, str], ...]:
    """List the versions of a service that are live or on their way
    anywhere, each with its commit.
    """
    lives = [
        live
        for environment in service.environments
        if (live := await reader.live(service.name, environment))
    ]
    coming = [
        each
        for environment in service.environments
        for each in await reader.open_deployments(service.name, environment)
    ]
    return (
        *((each.version, each.commit) for each in lives),
        *((each.version, each.commit) for each in coming),
    )


async def status(context: Context, intent: Intent, command: Status) -> Answer:
    """Answer ``/deploy status``."""
    await context.people.require(intent.by, Permission.VIEW, "see the status")
    return Answer(
        "status",
        {
            "rows": [facts_of_row(row) for row in await rows(context, command.service)],
            "service": command.service,
        },
    )


def facts_of_row(row: BoardRow) -> dict[str, Json]:
    """Give a board row's facts as JSON values."""
    live = row.live
    return {
        "service": row.service, "environment": row.environment,
        "version": live.version if live else "",
        "since": live.since.isoformat() if live else "", "by": str(live.by) if live else "",
        "deployment": live.deployment if live else "", "quarantined": row.quarantined,
        "accepted": live.accepted if live else "",
        "way_out": asdict(row.way_out) if row.way_out else None,
        "declared": facts_of_declared(live.declared) if live and live.declared else None,
        "snapshot": facts_of_snapshot(row.snapshot) if row.snapshot else None,
        "open": [asdict(each) for each in row.open],
        "locks": [facts_of_lock(lock) for lock in row.locks],
        "frozen_until": row.frozen_until.isoformat() if row.frozen_until else "",
        "frozen_because": row.frozen_because,
        "unclear": row.unclear, "can_roll_back": row.can_roll_back, "held_by": row.held_by,
        "can_deploy": row.can_deploy,
        "going_back": asdict(row.going_back) if row.going_back else None,
        "share": asdict(row.share) if row.share else None, "serves": facts_of_beside(row.serves),
    }  # fmt: skip


def facts_of_declared(declared: Declared) -> dict[str, Json]:
    """Give a declaration of what is live as JSON values."""
    return {
        "origin": str(declared.origin),
        "by": str(declared.by),
        "at": declared.at.isoformat(),
        "reason": declared.reason,
    }
