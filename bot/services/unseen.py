"""What was said not to be live and still gets requests: its place is unclear until it gets none, or
somebody puts a version there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.errors import IntegrationError
from bot.domain.live import Live
from bot.domain.outcomes import Unseen
from bot.domain.places import Doubt, Unclear
from bot.ports.engine import Later
from bot.ports.metrics import Cohort, Window
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context
from bot.services.passing import There, called, there
from bot.services.snapshots import observe

LATELY = timedelta(minutes=1)
"""In which time before a word requests of another version speak against it."""
UNSEEN = timedelta(minutes=2)
"""How long the metrics have seen no request of a version that is gone."""
PATIENCE = 2.0
"""Seconds that whoever says what is live waits for the metrics."""


async def requests_of(
    context: Context, service: str, environment: str, commit: str, within: timedelta
) -> float | None:
    """Count the requests that a version got lately; None where the metrics say nothing at all,
    so that it is not known.
    """
    now, policy, known = (
        context.now(),
        context.policy(service, environment),
        context.service(service),
    )
    window = Window(now - within, now)
    found = await observe(context, known, policy, window, Cohort(commit))
    if found:
        return max(each.requests for each in found.values())
    return (
        0.0 if await observe(context, known, policy, window, Cohort(commit, others=True)) else None
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """The versions about which the metrics are asked when another one is said to be live."""

    of: tuple[There, ...]
    before: frozenset[str]
    """The commits of those that got requests when a word was given before: they count as seen until
    the metrics say that they get none.
    """
    unnamed: bool = False
    """Whether the same counts of something that has no name here."""


@dataclass(frozen=True, slots=True)
class Still:
    """A version that counts as running still: it gets requests, or it did before and
    nothing says that it gets none.
    """

    there: There | None
    """None where nothing that is recorded gets them: something else does, and what is said to be
    live gets none.
    """
    is_told: bool
    requests: float = 0.0


async def to_ask(reader: Reader, service: str, environment: str, *, but: str) -> Asked:
    """Name what may get requests beside the version that is said: what may be there, and what did
    when somebody said so before.
    """
    found = await reader.doubt(service, environment)
    before = [commit for commit in found.seen if commit != but] if found else []
    known = await there(reader, service, environment, but=but)
    others = [
        await called(reader, service, commit)
        for commit in before
        if commit not in {each.commit for each in known}
    ]
    unnamed = found is not None and found.kind is Unclear.SEEN and not found.seen
    return Asked((*known, *others), frozenset(before), unnamed=unnamed)


async def still_seen(
    context: Context, service: str, environment: str, asked: Asked, said: str
) -> tuple[Still, ...]:
    """Name the versions that get requests now, as far as the metrics tell in time; and those that
    did before, unless they tell.

    Where none does, and what is ``said`` to be live gets none either, something else may.
    """
    named = await _named(context, service, environment, asked)
    return named or await _unnamed(context, service, environment, asked, said)


async def _unnamed(
    context: Context, service: str, environment: str, asked: Asked, said: str
) -> tuple[Still, ...]:
    try:
        async with asyncio.timeout(PATIENCE):
            own, rest = await _shared(context, service, environment, said, LATELY)
    except (TimeoutError, IntegrationError):
        own, rest = None, None
    if own is None or rest is None:
        return (Still(None, is_told=False),) if asked.unnamed else ()
    return (Still(None, is_told=True, requests=rest),) if rest > 0 and not own else ()


async def _shared(
    context: Context, service: str, environment: str, commit: str, within: timedelta
) -> tuple[float | None, float | None]:
    """Count the requests of a version, and those of everything else; None where
    it is not known.
    """
    now, policy = context.now(), context.policy(service, environment)
    others, window = Cohort(commit, others=True), Window(now - within, now)
    own = await requests_of(context, service, environment, commit, within)
    rest = await observe(context, context.service(service), policy, window, others)
    return own, max((each.requests for each in rest.values()), default=None if own is None else 0.0)


async def _named(
    context: Context, service: str, environment: str, asked: Asked
) -> tuple[Still, ...]:
    try:
        async with asyncio.timeout(PATIENCE):
            counts = [
                await requests_of(context, service, environment, each.commit, LATELY)
                for each in asked.of
            ]
    except (TimeoutError, IntegrationError):
        counts = [None for _ in asked.of]
    told = zip(asked.of, counts, strict=True)
    return tuple(
        Still(each, count is not None)
        for each, count in told
        if count or (count is None and each.commit in asked.before)
    )


async def doubt(context: Context, tx: Transaction, said: Live, still: Sequence[Still]) -> str:
    """Make the place unclear where another version still gets requests, and have that looked at;
    give why, empty where none does.
    """
    if not still:
        return ""
    commits = tuple(each.there.commit for each in still if each.there is not None)
    found, place = (
        Doubt(Unclear.SEEN, _why(said, still), context.now(), seen=commits),
        (said.service, said.environment),
    )
    await tx.cast_doubt(*place, found)
    await tx.start(
        "unseen",
        f"{' '.join(place)} {found.since.isoformat()}",
        *place,
        found.since.isoformat(),
        list(commits),
    )
    return found.why


def _why(said: Live, still: Sequence[Still]) -> str:
    if any(each.there is None for each in still):
        return _why_unnamed(said, still[0])
    names = " and ".join(each.there.version for each in still if each.there is not None)
    if all(each.is_told for each in still):
        return (
            f"{names} still got requests, as the metrics see it, when "
            f"{said.version} was said to be live"
        )
    return (
        f"{names} got requests before, and no metrics said that it was gone when "
        f"{said.version} was said to be live"
    )


def _why_unnamed(said: Live, still: Still) -> str:
    if not still.is_told:
        return (
            "something else got the requests before, and no metrics said whether "
            f"{said.version} gets any when it was said to be live"
        )
    return (
        f"{said.version} got no requests in the last minute, as the metrics see it, when it was "
        f"said to be live, and something else got {still.requests:,.0f}"
    )


async def look(
    context: Context, service: str, environment: str, since: str, commits: Sequence[str]
) -> Unseen | Later:
    """See whether any of these versions gets requests; where none does any more, it
    is clear again what runs. Where what got them has no name here, what is said to be live has
    to get them all.
    """
    async with context.store.reading() as reader:
        if not await _is_in_doubt(reader, service, environment, since):
            return Unseen.OVER
    if service not in context.providers or environment not in context.service(service).environments:
        return Unseen.UNKNOWN
    counts = [
        await requests_of(context, service, environment, commit, UNSEEN) for commit in commits
    ]
    if not commits:
        counts = [await _left_elsewhere(context, service, environment)]
    if any(count is None or count > 0 for count in counts):
        return Later(UNSEEN / 4)
    async with context.store.transaction() as tx:
        if await _is_in_doubt(tx, service, environment, since):
            await tx.cast_doubt(service, environment, None)
            await _tell(context, tx, service, environment)
    return Unseen.UNSEEN


async def _left_elsewhere(context: Context, service: str, environment: str) -> float | None:
    """Count the requests of everything but what is said to be live; None where that is not known,
    or where it gets none itself.
    """
    async with context.store.reading() as reader:
        live = await reader.live(service, environment)
    if live is None:
        return None
    own, rest = await _shared(context, service, environment, live.commit, UNSEEN)
    return rest if own else None


async def _is_in_doubt(reader: Reader, service: str, environment: str, since: str) -> bool:
    found = await reader.doubt(service, environment)
    return found is not None and found.kind is Unclear.SEEN and found.since.isoformat() == since


async def _tell(context: Context, tx: Transaction, service: str, environment: str) -> None:
    live = await tx.live(service, environment)
    facts: dict[str, Json] = {
        "service": service,
        "environment": environment,
        "version": live.version if live else "",
        "at": context.now().isoformat(),
    }
    channel = context.service(service).channel
    await tx.say(
        Message(
            f"unseen:{service}:{environment}:{context.now().isoformat()}",
            "unseen",
            facts,
            to="channel",
            channel=channel,
        )
    )
