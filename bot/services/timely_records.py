"""What tells that something was done or found is said as it is by then: what has changed since is
left out, put in other words, or told as past with its time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.deployment import AT_REST, WAITING, Deployment, State, is_of
from bot.domain.places import Unclear
from bot.ports.reader import Reader
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context
from bot.services.summaries import LATEST, facts_of_morning
from bot.services.timely_calls import UNDER_TRIAL
from bot.services.timely_lines import then
from bot.services.watching import watched_in

SOON = timedelta(minutes=2)
"""What is said within this is said at once, and needs no date."""
OF_TODAY = timedelta(hours=1)
"""For as long after its slot, what a morning sums up is the last 24 hours."""


async def stuck(reader: Reader, message: Message) -> Message:
    """Say that something cannot go on only while it cannot; else until now it could not."""
    facts = message.facts
    run = str(facts.get("run") or "")
    is_stuck = (not run or await reader.is_stuck(run)) and await _matters(reader, message)
    about = await reader.deployment(str(facts["id"])) if facts["id"] else None
    lead = {"lead": str(about.lead or "")} if about is not None else {}
    said = replace(message, facts={**facts, **lead})
    return said if is_stuck else then(said, facts["since"])


async def _matters(reader: Reader, message: Message) -> bool:
    """Tell whether what a runbook cannot do is still to be done."""
    facts = message.facts
    place = (str(facts["service"]), str(facts["environment"]))
    if facts["runbook"] == "unseen":
        doubt = await reader.doubt(*place)
        return doubt is not None and doubt.kind is Unclear.SEEN
    if facts["runbook"] == "chase":
        return any(is_of(each.deployment, str(facts["id"])) for each in await reader.strays(*place))
    about = await reader.deployment(str(facts["id"]))
    if about is None or facts["runbook"] == "summary":
        return True
    if facts["runbook"] == "observe":
        return about.state is State.ROLLING_OUT
    if facts["runbook"] == "observe_back":
        undone = await reader.deployment(message.deployment)
        return undone is not None and undone.state is State.ROLLING_BACK
    return about.state_since <= datetime.fromisoformat(str(facts["since"]))


async def deployment_stuck(
    _context: Context, reader: Reader, _deployment: Deployment, message: Message
) -> Message | None:
    """Say so of what a deployment's runbook does."""
    return await stuck(reader, message)


async def place_stuck(_context: Context, reader: Reader, message: Message) -> Message | None:
    """Say so of what a place's runbook does."""
    return await stuck(reader, message)


async def restored(_context: Context, reader: Reader, message: Message) -> Message | None:
    """Ask what is live only where that is unclear by now, with what the database says now."""
    left: list[Json] = []
    for each in message.facts["places"]:
        place = (each["service"], each["environment"])
        if await reader.doubt(*place) is not None:
            live = await reader.live(*place)
            left.append({**each, "version": live.version if live else ""})
    settled = len(message.facts["places"]) - len(left)
    said = replace(message, facts={**message.facts, "places": left, "settled": settled})
    return said if left or not settled else then(said)


async def said_live(_context: Context, reader: Reader, message: Message) -> Message | None:
    """Say what a word leaves to be done only while it is what counts there and that is so."""
    facts = message.facts
    place = (str(facts["service"]), str(facts["environment"]))
    live = await reader.live(*place)
    word = live.declared if live is not None else None
    if live is None or word is None or word.at.isoformat() != facts.get("at", word.at.isoformat()):
        return then(message, quarantined="", strays=0, still="", watched_until="")
    doubt, brought = await reader.doubt(*place), await reader.deployment(live.deployment)
    is_watched = brought is not None and brought.state is State.WATCHING
    now: dict[str, Json] = {
        "quarantined": await reader.quarantine(live.service, live.commit),
        "strays": len(await reader.strays(*place)),
        "still": facts["still"] if doubt is not None and doubt.why == facts["still"] else "",
        "watched_until": facts["watched_until"] if is_watched else "",
    }
    return replace(message, facts={**facts, **now})


async def unseen(_context: Context, reader: Reader, message: Message) -> Message | None:
    """Say what counts as what runs only while it does."""
    place = (str(message.facts["service"]), str(message.facts["environment"]))
    live, doubt = await reader.live(*place), await reader.doubt(*place)
    is_so = live is not None and live.version == message.facts["version"] and doubt is None
    return message if is_so else then(message)


async def morning(context: Context, reader: Reader, message: Message) -> Message | None:
    """Sum up how it is by then what went live, with the time that is summed up; a day later nobody
    asks for it any more.
    """
    at = datetime.fromisoformat(str(message.facts["at"]))
    if context.now() - at > LATEST:
        return None
    of = [await reader.deployment(each["id"]) for each in message.facts["deployments"]]
    now = await facts_of_morning(reader, [each for each in of if each is not None])
    said = replace(message, facts={**message.facts, **now})
    return said if context.now() - at <= OF_TODAY else then(said)


async def answered(context: Context, _reader: Reader, message: Message) -> Message | None:
    """Say of what it was an answer to when it was one, where that was a while ago."""
    at = str(message.facts.get("at") or "")
    is_late = bool(at) and context.now() - datetime.fromisoformat(at) > SOON
    return then(message) if is_late else message


async def not_waited(
    context: Context, reader: Reader, _deployment: Deployment, message: Message
) -> Message | None:
    """Say that a deployment does not wait for a watch only while it could, and who waits for that
    watch now.
    """
    going = await reader.deployment(str(message.facts["id"]))
    watched = (
        await watched_in(context, reader, going.service, going.environment)
        if going is not None and (going.state in WAITING or going.is_only_let_go)
        else None
    )
    if watched is None or watched.deployment != message.facts["watched"]:
        return then(message, waiting=[])
    return replace(message, facts={**message.facts, "waiting": list(watched.waiting)})


async def rollback_late(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that a rollback takes longer than it should only while it goes on."""
    back = await reader.deployment(str(message.facts["rollback"]))
    is_going = deployment.state is State.ROLLING_BACK and back is not None and not back.was_given_up
    return message if is_going else then(message, message.facts["since"])


async def step_done(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that a share is deployed only while it may be."""
    step = next(
        (each for each in await reader.steps(deployment.id) if each.key == message.facts["step"]),
        None,
    )
    at = step.deployed_at if step is not None else None
    is_there = (
        deployment.state in UNDER_TRIAL | AT_REST and await reader.replaced(deployment.id) is None
    )
    return message if is_there else then(message, at.isoformat() if at else "")
