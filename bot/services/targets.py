"""Which version a rollback goes back to: what ended worse than what had been there before, or
failed, no button and no rule offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain import rollback
from bot.domain.called import name_of, own_name
from bot.domain.declared import Origin
from bot.domain.deployment import AT_REST, CAN_ROLL_BACK, Acceptance, Deployment, Kind, State
from bot.domain.health import Verdict
from bot.domain.live import Live
from bot.domain.rollback import Bad, Flaw
from bot.domain.rollout import StepState
from bot.domain.trouble import Sort
from bot.ports.reader import Reader

_CUT_SHORT = frozenset({State.WATCHING, State.SUPERSEDED})


async def target_for(reader: Reader, deployment: Deployment) -> Live | None:
    """Choose what a rollback of a deployment goes back to, by ``rollback.ranked``: the first of
    which no worse numbers are known.
    """
    for each in rollback.ranked(
        await releases_for(reader, deployment),
        leaving=deployment.commit,
        base=deployment.base_commit,
    ):
        if not await how_bad(reader, each):
            return replace(each, version=own_beside(each, deployment))
    return None


def own_beside(release: rollback.Named, deployment: Deployment, named: Sequence[str] = ()) -> str:
    """Give the name of a version that is its own beside a deployment, and among the commits that
    are known to have been ``named`` so.
    """
    shares = name_of(deployment.version) == release.version != deployment.version
    also = [deployment.commit] if shares else []
    return own_name(release.version, release.commit, named=[*named, *also])


async def releases_for(
    reader: Reader, deployment: Deployment, limit: int | None = 5
) -> tuple[Live, ...]:
    """List what ended its watch in a place, and what was there before the deployment, if only the
    end of its watch is missing.
    """
    place = (deployment.service, deployment.environment)
    found = await reader.releases(*place, limit=limit)
    if not deployment.base_commit or any(each.commit == deployment.base_commit for each in found):
        return found
    ended = await reader.releases(*place, limit=None)
    base = next(
        (each for each in ended if each.commit == deployment.base_commit), None
    ) or await _cut_short(reader, deployment)
    return (*found, base) if base else found


async def how_bad(reader: Reader, release: Live) -> tuple[Bad, ...]:
    """Say what is known against a version since it was last brought to its place, as long as
    nothing has proved it there since.

    That somebody says that it is live proves nothing.
    """
    place = (release.service, release.environment)
    last, back = (
        await last_of(reader, *place, release.commit),
        await reader.put_back(*place, release.commit),
    )
    found = await _broken(reader, last) + await _worse(reader, last) if last is not None else ()
    is_newest = back is not None and (last is None or last.requested_at < back.requested_at)
    return found + await _worse_since(reader, back) if back is not None and is_newest else found


async def _broken(reader: Reader, last: Deployment) -> tuple[Bad, ...]:
    """Say which run of a deployment failed, and how. What its lead has stopped has not."""
    failed = next(
        (step for step in await reader.steps(last.id) if step.state is StepState.FAILED), None
    )
    if failed is None or last.ended_by is not None or await reader.was_verified(last):
        return ()
    flaw = Flaw.SMOKE if failed.served_at is not None else Flaw.RUN
    return (Bad(flaw, f"at {failed.percent} %: {failed.sentence}"),)


async def _worse(reader: Reader, last: Deployment) -> tuple[Bad, ...]:
    """Say what the numbers of a deployment were, if they were worse and
    never shown to be well again.
    """
    trouble = await reader.trouble(last.id) if last.state is not State.VERIFIED else None
    if trouble is None or trouble.sort is not Sort.DEGRADED or not trouble.is_open:
        return ()
    shots = [each for each in await reader.snapshots(last.id) if each.verdict is Verdict.DEGRADED]
    return (Bad(Flaw.WORSE, shots[-1].why if shots else "its numbers were worse"),)


async def _worse_since(reader: Reader, back: Deployment) -> tuple[Bad, ...]:
    """Say what the look after a rollback found last of what that had put back, if it was worse."""
    told = [
        each
        for each in await reader.snapshots(back.id)
        if each.verdict in {Verdict.DEGRADED, Verdict.HEALTHY}
    ]
    is_worse = (
        bool(told) and told[-1].verdict is Verdict.DEGRADED and not await reader.was_verified(back)
    )
    return (Bad(Flaw.AFTER, told[-1].why),) if is_worse else ()


async def ended_before(reader: Reader, service: str, environment: str, commit: str) -> Live | None:
    """Read how a version had ended its watch in a place: a quarantine takes away no proof."""
    place = (service, environment)
    known = [
        *await reader.releases(*place, limit=None),
        *await reader.releases(*place, limit=None, kept_out=True),
    ]
    return next((each for each in known if each.commit == commit), None)


async def last_resort(reader: Reader, deployment: Deployment) -> Live | None:
    """Give what is there now, where something is known against it: a deployment over it goes back
    to that by the typed command alone.
    """
    live = await reader.live(deployment.service, deployment.environment)
    return (
        live
        if live is not None and live.commit != deployment.commit and await how_bad(reader, live)
        else None
    )


async def last_of(reader: Reader, service: str, environment: str, commit: str) -> Deployment | None:
    """Give the newest deployment of a commit that has touched a place."""
    there = (
        each for each in await reader.of_commit(service, commit) if each.environment == environment
    )
    return next(
        (each for each in there if each.kind is Kind.FORWARD and each.started_at is not None), None
    )


async def _cut_short(reader: Reader, deployment: Deployment) -> Live | None:
    """Give what was live before a deployment and whose watch has not ended, as long as
    nothing speaks against it.
    """
    service, environment, commit = (
        deployment.service,
        deployment.environment,
        deployment.base_commit,
    )
    last = await last_of(reader, service, environment, commit)
    if (
        last is None
        or last.landed_at is None
        or last.state not in _CUT_SHORT
        or await reader.quarantine(service, commit)
    ):
        return None
    trouble = await reader.trouble(last.id)
    is_left = any(each.commit == commit for each in await reader.left_by_hand(service, environment))
    if is_left or (trouble is not None and trouble.is_open):
        return None
    return Live(
        service,
        environment,
        commit,
        last.version,
        last.landed_at,
        last.id,
        last.requested_by,
        accepted=Acceptance.CUT_SHORT,
    )


async def undoable(reader: Reader, service: str, environment: str) -> Deployment | None:
    """Give what can be rolled back in a place: the one rule for card, alarm, status and command.

    It is what stands there. After somebody's word, or a rollback to what had failed there, it is
    the newest deployment that brought that version, or what still gets requests.
    """
    current = await reader.current(service, environment)
    if current is not None and current.state not in AT_REST:
        return current
    live, doubt = await reader.live(service, environment), await reader.doubt(service, environment)
    commits = (
        [live.commit]
        if current is None and live is not None and await _is_back(reader, live)
        else []
    )
    commits += doubt.seen if doubt is not None else ()
    brought = [await last_of(reader, service, environment, commit) for commit in commits]
    found = [
        current,
        *(each for each in brought if each is not None and each.state in CAN_ROLL_BACK),
    ]
    return max(
        (each for each in found if each is not None),
        key=lambda each: each.requested_at,
        default=None,
    )


async def _is_back(reader: Reader, live: Live) -> bool:
    """Tell whether something is live on somebody's word, or because a rollback has put it back."""
    if live.declared is not None:
        return live.declared.origin is Origin.SAID
    brought = await reader.deployment(live.deployment)
    return brought is not None and brought.kind is Kind.ROLLBACK


async def brought_by(reader: Reader, live: Live) -> Deployment | None:
    """Give the deployment that brought what is live, also where somebody
    has said since that it is.
    """
    return await reader.deployment(live.deployment) or await last_of(
        reader, live.service, live.environment, live.commit
    )
