"""The history: what was deployed in a place, rolled back, or said to be live there."""

from __future__ import annotations

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
        shots = {each.id: await newest_numbers(reader, each.id) for each in found[:SHOWN]}
        stood = {
            each.id: await wentback.stood(reader, each)
            for each in found[:SHOWN]
            if each.state is State.FAILED and not each.undoes
        }
        silences = {each.id: await silence_about(reader, each) for each in found[:SHOWN]}
        said = {each.undoes for each in found[:SHOWN] if silences[each.id]}
        declared = await reader.declared(command.service, command.environment, limit=SHOWN + 1)
        named = (
            [command.environment]
            if command.environment
            else context.service(command.service).environments
        )
        doubts = {name: await unclear(reader, command.service, name) for name in named}
        lives = [
            live
            for name in named
            if not doubts[name] and (live := await reader.live(command.service, name))
        ]
        shares = [
            (live, share)
            for live in lives
            if (share := await share_now(reader, live)) and not share.is_going_back
        ]
    # newer than what it undoes; the newest of several counts
    backs = {back.undoes: back for back in reversed(found) if back.undoes}
    past = [
        {
            **_facts_of_past(each, backs.get(each.id), shots[each.id]),
            "stood": stood.get(each.id, ""),
            "silence": None if each.id in said else facts_of_silence(silences[each.id]),
        }
        for each in found[:SHOWN]
    ]
    past += [_facts_of_word(each) for each in declared]
    past.sort(key=lambda each: str(each["at"]), reverse=True)
    older = len(found) > SHOWN or len(past) > SHOWN
    return Answer(
        "history",
        {
            "service": command.service,
            "environment": command.environment,
            "deployments": past[:SHOWN],
            "older": older,
            "doubts": [{"environment": name, "why": why} for name, why in doubts.items() if why],
            "shares": [
                {"environment": live.environment, "recorded": live.version, **asdict(share)}
                for live, share in shares
            ],
        },
    )


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
