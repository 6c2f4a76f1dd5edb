"""What calls people to something is said only while they can do it, and with what is so by then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.domain.deployment import WAITING, Deployment, State, is_of
from bot.ports.reader import Reader
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services import endings
from bot.services.context import Context, facts_of_snapshot
from bot.services.findings import under_way_beside
from bot.services.given import word_given
from bot.services.hanging import facts_of_late, facts_of_now, late_run
from bot.services.leaving import under_way_as
from bot.services.offers import rollback_offer, still_held
from bot.services.rollback_gates import waits_still
from bot.services.word import ends_by_itself, numbers_of

UNDER_TRIAL = frozenset({State.ROLLING_OUT, State.WATCHING})
"""Where numbers are weighed: only here can a degraded one be let go on, or count down."""


async def degraded(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that numbers are worse only while somebody can act on it: with the numbers, the lead and
    the countdown of now, as the card.
    """
    trouble = await reader.trouble(deployment.id)
    # which has its own alarm, and its own countdown
    is_another = trouble is not None and trouble.alarm != message.facts["finding"]
    if deployment.state not in UNDER_TRIAL or is_another:
        return None
    now: dict[str, Json] = {"until": counts_until(deployment), "lead": str(deployment.lead or "")}
    if trouble is not None and trouble.is_open:
        shot = await numbers_of(reader, deployment, trouble)
        newest = facts_of_snapshot(shot) if shot is not None else message.facts["snapshot"]
        now["by_itself"] = str(await ends_by_itself(context, reader, deployment, trouble))
        now |= {"where": trouble.where, "beside": await under_way_beside(reader, deployment)}
        is_elsewhere = message.facts.get("where", trouble.where) != trouble.where
        now |= (
            {"snapshot": newest}
            if is_elsewhere or _findings(newest) != _findings(message.facts["snapshot"])
            else {}
        )
        now |= (
            {"held": await still_held(context, reader, deployment)}
            if message.facts.get("held")
            else {}
        )
    return replace(message, facts={**message.facts, **now})


async def not_by_itself(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say why nothing goes back by itself as things are now, beside the buttons of now."""
    why = (
        await still_held(context, reader, deployment)
        if deployment.state in UNDER_TRIAL
        else message.facts["why"]
    )
    return with_lead(deployment, replace(message, facts={**message.facts, "why": why}))


async def hangs(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say of a rollback that hangs what its lead has to know now: the numbers of what serves, where
    they say something else.
    """
    now = await facts_of_now(reader, str(message.facts["rollback"]))
    before, shot = message.facts["snapshot"], now["snapshot"]
    is_news = now["is_back"] != message.facts["is_back"] or (  # they are of another version
        shot
        and (
            not before
            or (before["silence"], _findings(before)) != (shot["silence"], _findings(shot))
        )
    )
    now = now if is_news else {key: value for key, value in now.items() if key != "snapshot"}
    return replace(message, facts={**message.facts, **now, "lead": str(deployment.lead or "")})


async def late(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that a run of a rollout takes longer than it should only while it does."""
    found = await late_run(context, reader, deployment)
    if found is None or (found.step, found.is_smoke) != (
        message.facts["step"],
        message.facts["is_smoke"],
    ):
        return None
    return with_lead(
        deployment,
        replace(
            message,
            facts={**message.facts, **await facts_of_late(context, reader, deployment, found)},
        ),
    )


def _findings(snapshot: Any) -> list[tuple[Json, Json]]:
    """Give what a snapshot says of each metric: that time has passed is no news."""
    return [(each["verdict"], each["sentence"]) for each in snapshot["findings"]]


async def at_its_gate(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Call people to the gate of a rollback only while it waits there."""
    return with_lead(deployment, message) if await waits_still(reader, message) else None


async def while_it_rolls_out(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that a rollout stands still only while it is one."""
    return with_lead(deployment, message) if deployment.state is State.ROLLING_OUT else None


async def stopped(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say of what was stopped why, once somebody has said it, whether it is quarantined still, and
    that a run is looked for while it is.
    """
    sought = any(
        is_of(each.deployment, deployment.id)
        for each in await reader.strays(deployment.service, deployment.environment)
    )
    now = {**await endings.of_a_stop(reader, deployment, message), "is_sought": sought}
    return with_lead(deployment, replace(message, facts={**message.facts, **now}))


async def with_its_lead(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Name whoever leads it now."""
    return with_lead(deployment, message)


async def quarantined(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say of what is quarantined what it has by now where it is under way,
    and who can have it away.
    """
    if deployment.state not in WAITING | UNDER_TRIAL:
        return with_lead(deployment, message)
    there = (await under_way_as(context, reader, deployment)).facts
    why = await reader.quarantine(deployment.service, deployment.commit) or message.facts.get(
        "why", ""
    )
    return with_lead(
        deployment, replace(message, facts={**message.facts, "there": there, "why": why})
    )


def with_lead(deployment: Deployment, message: Message) -> Message:
    """Name whoever leads now."""
    return replace(message, facts={**message.facts, "lead": str(deployment.lead or "")})


async def request(
    context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Ask nobody to acknowledge what has begun or is over, or after their shift."""
    until = str(message.facts.get("until") or "")
    is_over = bool(until) and datetime.fromisoformat(until) <= context.now()
    return message if deployment.state in WAITING and not is_over else None


async def ask_lead(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Tell only who leads now that they lead."""
    return message if str(deployment.lead or "") == message.to else None


def counts_until(deployment: Deployment) -> str:
    """Write when the countdown ends; empty where none runs."""
    return deployment.countdown_until.isoformat() if deployment.countdown_until else ""


async def is_open(reader: Reader, deployment: Deployment) -> bool:
    """Tell whether a finding keeps it that nobody has let it go on over."""
    trouble = await reader.trouble(deployment.id)
    return (
        trouble is not None
        and trouble.is_open
        and await word_given(reader, deployment, trouble) is None
    )


async def way_back(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say where it goes back to while somebody can have it go back, and as it is by now."""
    if message.facts.get("puts_back"):
        return with_lead(deployment, message) if deployment.state is State.ROLLING_BACK else None
    offer = await rollback_offer(context, reader, deployment)
    if message.template == "way_back_again":
        return (
            with_lead(deployment, message)
            if offer.is_possible and offer.version == message.facts["back_in"]
            else None
        )
    is_over = deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK, State.SUPERSEDED}
    now = {"instead": offer.version if offer.is_possible else "", "refused": offer.refused}
    is_again = offer.is_possible and offer.version == message.facts["kept_out"]
    return (
        None
        if is_over or is_again
        else with_lead(deployment, replace(message, facts={**message.facts, **now}))
    )


async def given_up_ended(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Ask to look only while it is unclear what runs."""
    is_unclear = await reader.doubt(deployment.service, deployment.environment) is not None
    return with_lead(
        deployment,
        replace(
            message, facts={**message.facts, "doubtful": message.facts["doubtful"] and is_unclear}
        ),
    )


async def while_it_is_back(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say how what is back does only while it is live."""
    is_over = await endings.RULES["back_and_worse"](context, reader, deployment, message)
    return None if is_over else with_lead(deployment, message)


async def not_stopped(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Ask for a run to be stopped only while the rollback goes on, or a run that was given up
    is still followed there.
    """
    strays = await reader.strays(deployment.service, deployment.environment)
    return message if deployment.state is State.ROLLING_BACK or strays else None
