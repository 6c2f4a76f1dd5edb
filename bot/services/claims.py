"""What somebody wants to say is live: what the store knows of the place, and what the word would
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.commands import SayLive
from bot.domain.declared import Declared
from bot.domain.deployment import WAITING, Deployment, Kind
from bot.domain.errors import NotPossible
from bot.domain.live import Live
from bot.domain.places import Doubt, Ground, Unclear, is_left
from bot.domain.shown import Seen
from bot.ports.ci import Resolved
from bot.ports.reader import Reader
from bot.services.context import Context, existing
from bot.services.hanging import hanging_in
from bot.services.passing import Ends, Passing, ends, may_be_said, stands


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody wants to say, and what the store knows about the place at this moment."""

    service: str
    environment: str
    said: Resolved
    ground: Ground
    live: Live | None
    quarantine: str
    passing: Passing
    by_hand: Doubt | None
    """That nothing makes it unclear, and that one goes back from there by hand alone."""
    ends: tuple[Ends, ...] = ()
    """The deployments that the word ends, and what is under way of them."""
    hangs: Doubt | None = None
    """That a rollback hangs there, so that nobody knows what it has done."""

    @property
    def doubt(self) -> Doubt | None:
        """Say why a person's word is asked for."""
        return self.ground.doubt or self.hangs or self.by_hand

    @property
    def word(self) -> Declared | None:
        """Give the word on which something is live, which another word can correct."""
        return self.live.said if self.live else None

    @property
    def seen(self) -> Seen:
        """Say what the dialog shows: among the rest the doubt, and every run of which nobody
        knows whether it has ended.
        """
        doubt, base = self.doubt, self.live.commit if self.live else ""
        named = [f"{doubt.kind} {doubt.since.isoformat()}"] if doubt else []
        named += [*(stray.run for stray in self.ground.strays), self.quarantine, self.passing.mark]
        named += [each.mark for each in self.ends]
        return Seen(
            commit=self.said.commit, named=self.said.version, base=base, doubt=" ".join(named)
        )


async def gone_by_hand(
    context: Context, reader: Reader, command: SayLive, passing: Passing
) -> Doubt | None:
    """Say that one gets to the version by hand alone, over a migration, so that nobody but a person
    can tell when that has been done.
    """
    since = (
        await may_be_said(reader, command.service, command.environment, context.now())
        if passing.migrations
        else None
    )
    if since is None:
        return None
    current = await stands(reader, command.service, command.environment)
    why = (
        f"no button goes back over {passing.migrations[0]}: whoever has gone "
        "back by its own plan says so"
    )
    return Doubt(Unclear.FAILED, why, since, current.id if current else "")


async def _hangs(context: Context, reader: Reader, command: SayLive) -> Doubt | None:
    """Say that a rollback hangs there, so that whoever has gone back by hand is heard."""
    found = await hanging_in(context, reader, command.service, command.environment)
    if found is None:
        return None
    back = await existing(reader, found.rollback)
    why = f"{back.id}, the rollback of {back.undoes} to {back.version}, hangs"
    return Doubt(Unclear.FAILED, why, found.since, back.undoes)


async def claimed(
    context: Context,
    reader: Reader,
    command: SayLive,
    said: Resolved,
    passing: Passing,
    leaving: Sequence[Deployment],
) -> Claim:
    """Read what the store knows about the place. Raises NotPossible where
    nobody's word is asked for.
    """
    place = (command.service, command.environment)
    live = await reader.live(*place)
    ground = Ground(
        "", "", "", doubt=await reader.doubt(*place), strays=await reader.strays(*place)
    )
    hangs, by_hand = await _hangs(context, reader, command), None
    if hangs is None and ground.is_clear:
        by_hand = await gone_by_hand(context, reader, command, passing)
    ending = tuple([await ends(reader, each) for each in leaving])
    claim = Claim(
        *place,
        said,
        ground,
        live,
        await reader.quarantine(command.service, said.commit),
        passing,
        by_hand,
        ending,
        hangs,
    )
    corrects = claim.word is not None and live is not None and live.commit != said.commit
    if live is not None and ground.is_clear and claim.doubt is None and not corrects:
        raise NotPossible(_known(live))
    return claim


def _known(live: Live) -> str:
    """Say that nobody's word is asked for, and what can be done where it is not so."""
    place = f"{live.service} {live.environment}"
    how = f"brought there by {live.deployment}" if live.deployment else "as it was declared"
    return (
        f"{live.version} is live in {place}, {how}, and nothing has made that unclear, so nobody's "
        "word is needed; nothing was changed. "
        f"If something else was put there past Go/No-Go, put {live.version} back by hand, or "
        "deploy another version: "
        f"/deploy {live.service} REF to {live.environment}."
    )


async def let_go_of(
    context: Context, reader: Reader, command: SayLive, said: Resolved, passing: Passing
) -> tuple[Deployment, ...]:
    """Name the deployments that are let go of when this is live instead. Raises
    NotPossible while one is under way.
    """
    place = (command.service, command.environment)
    doubt = await reader.doubt(*place) or await gone_by_hand(context, reader, command, passing)
    leaving = await _left(context, reader, *place, doubt, said.commit)
    holder = await _under_way(reader, *place, leaving)
    if holder is not None:
        where = f"{command.service} {command.environment}"
        how = "Wait for its end, or stop it first."
        if holder.kind is Kind.ROLLBACK:
            how = (
                "Wait for its end. If it takes longer than it should, the channel is told, "
                "and then this can be said."
            )
        raise NotPossible(f"{holder.id} is under way in {where}; what is live is changing. {how}")
    return leaving


async def _left(
    context: Context,
    reader: Reader,
    service: str,
    environment: str,
    doubt: Doubt | None,
    commit: str,
) -> tuple[Deployment, ...]:
    """Name what a word ends that this commit is live: what is not there then, and a rollback that
    hangs, with what it undoes.
    """
    holder = await reader.deployment(await reader.holder(service, environment))
    hangs = await hanging_in(context, reader, service, environment)
    given_up = (
        {hangs.rollback, holder.undoes} if hangs is not None and holder is not None else set()
    )
    coming = await reader.open_deployments(service, environment)
    return tuple(each for each in coming if is_left(each, doubt, commit) or each.id in given_up)


async def _under_way(
    reader: Reader, service: str, environment: str, leaving: Sequence[Deployment]
) -> Deployment | None:
    """Name what changes in a place what is live, and is not ended by a word."""
    holder = await reader.deployment(await reader.holder(service, environment))
    return (
        holder
        if holder is not None and holder.state not in WAITING and holder not in leaving
        else None
    )


async def kept_from_a_word(
    context: Context, reader: Reader, service: str, environment: str
) -> Deployment | None:
    """Name what is under way where it is unclear what runs, and whose end somebody's word waits
    for: the rule of the word itself.
    """
    doubt = await reader.doubt(service, environment)
    live = await reader.live(service, environment)
    leaving = await _left(context, reader, service, environment, doubt, live.commit if live else "")
    return await _under_way(reader, service, environment, leaving)
