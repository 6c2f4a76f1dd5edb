"""The history: what was deployed in a place, rolled back, or said to be live there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from bot.domain.catalog import Permission
from bot.domain.commands import History
from bot.domain.declared import Declared
from bot.domain.deployment import (
    Deployment,
    State,
)
from bot.domain.health import Snapshot
from bot.domain.people import Person
from bot.ports.reader import Reader
from bot.ports.talk import Answer, Intent
from bot.ports.time import Json
from bot.queries.silences import facts_of_silence, silence_about
from bot.services import wentback
from bot.services.context import Context, facts_of_snapshot, unclear
from bot.services.leaving import share_now
from bot.services.serving import newest_numbers

SHOWN = 10
"""How many deployments a history lists."""


def _key(person: Person | None) -> str:
    return str(person) if person else ""


async def history(context: Context, intent: Intent, command: History) -> Answer:
    """Answer ``/deploy history``."""
    await context.people.require(intent.by, Permission.VIEW, "see the history")
    context.service(command.service)
    if command.environment:
        context.policy(command.service, command.environment)
    async with context.store.reading() as reader:
        found = await reader.history(command.service, command.environment, limit=SHOWN + 1)
        past = await _past(reader, found)
        declared = await reader.declared(command.service, command.environment, limit=SHOWN + 1)
        there = await _there_now(context, reader, command)
    past += [_facts_of_word(each) for each in declared]
    past.sort(key=lambda each: str(each["at"]), reverse=True)
    return Answer(
        "history",
        {
            "service": command.service,
            "environment": command.environment,
            "deployments": past[:SHOWN],
            "older": len(found) > SHOWN or len(past) > SHOWN,
            **there,
        },
    )


async def _past(reader: Reader, found: Sequence[Deployment]) -> list[dict[str, Json]]:
    """Give the lines about what was deployed and rolled back."""
    silences = {each.id: await silence_about(reader, each) for each in found[:SHOWN]}
    said = {each.undoes for each in found[:SHOWN] if silences[each.id]}
    # newer than what it undoes; the newest of several counts
    backs = {back.undoes: back for back in reversed(found) if back.undoes}
    return [
        {
            **_facts_of_past(each, backs.get(each.id), await newest_numbers(reader, each.id)),
            "stood": await _stood(reader, each),
            "silence": None if each.id in said else facts_of_silence(silences[each.id]),
        }
        for each in found[:SHOWN]
    ]


async def _stood(reader: Reader, each: Deployment) -> str:
    is_asked = each.state is State.FAILED and not each.undoes
    return await wentback.stood(reader, each) if is_asked else ""


async def _there_now(context: Context, reader: Reader, command: History) -> dict[str, Json]:
    """Say of each place why it is unclear what runs there, or which version has which share."""
    named = [command.environment] if command.environment else []
    doubts = {
        name: await unclear(reader, command.service, name)
        for name in named or context.service(command.service).environments
    }
    shares: list[Json] = []
    for name in (name for name, why in doubts.items() if not why):
        live = await reader.live(command.service, name)
        share = await share_now(reader, live) if live else None
        if live and share and not share.is_going_back:
            shares.append({"environment": name, "recorded": live.version, **asdict(share)})
    return {
        "doubts": [{"environment": name, "why": why} for name, why in doubts.items() if why],
        "shares": shares,
    }


def _facts_of_word(declared: Declared) -> dict[str, Json]:
    """Give the facts of a line of the history that is no deployment:
    somebody declared what is live.
    """
    return {
        "kind": str(declared.origin), "version": declared.version,
        "environment": declared.environment, "by": str(declared.by),
        "at": declared.at.isoformat(), "note": declared.reason,
    }  # fmt: skip


_GOING_BACK = frozenset({State.ROLLING_BACK, State.ROLLED_BACK, State.FAILED})
"""States that a rollback brings about; any other has come after one that failed."""


def _facts_of_past(
    d: Deployment, back: Deployment | None, shot: Snapshot | None
) -> dict[str, Json]:
    """Give the facts of one line of the history; ``back`` is the rollback that undid it."""
    return {
        "id": d.id,
        "kind": str(d.kind),
        "version": d.version,
        "environment": d.environment,
        "state": str(d.state),
        "by": str(d.requested_by),
        "lead": _key(d.lead),
        "at": d.requested_at.isoformat(),
        "note": d.note,
        "reason": d.reason,
        "undoes": d.undoes,
        "undone_by": str(back.requested_by) if back and d.state in _GOING_BACK else "",
        "ended_by": _key(d.ended_by),
        "given_up_by": _key(back.ended_by)
        if back and back.was_given_up and d.state is State.FAILED
        else "",
        "snapshot": facts_of_snapshot(shot) if shot else None,
    }
