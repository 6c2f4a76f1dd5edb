"""The rollback offer of a deployment: what the button would do, from the stored facts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain import rollback
from bot.domain.deployment import Deployment, Kind, State, is_of
from bot.domain.live import Live
from bot.domain.offer import RollbackOffer
from bot.domain.passed import Passed
from bot.domain.places import Unclear
from bot.domain.readiness import Confirmed
from bot.domain.rollback import Bad, Way
from bot.ports.reader import Reader
from bot.services.context import Context
from bot.services.targets import how_bad, releases_for, target_for
from bot.services.ways import stored_way_back


async def rollback_offer(
    context: Context, reader: Reader, deployment: Deployment, *, way: Way | None = None
) -> RollbackOffer:
    """Describe what rolling this deployment back would do. No provider is
    asked, so this never waits.

    ``way`` is what lies between, where it has been asked for and is stored nowhere.
    """
    target = await target_for(reader, deployment)
    if way is None and target is not None:
        way = await stored_way_back(context, reader, deployment, target)
    seconds = await reader.rollback_seconds(deployment.service, deployment.environment)
    offer = rollback.offer(
        [target] if target else [], way=way, leaving=deployment.commit, seconds=seconds
    )
    if target is not None:
        coming = await let_go_over(reader, deployment)
        cancels = coming[0].title if coming else ""
        passed = await passed_over(reader, deployment, target)
        return replace(
            offer,
            confirmed=await confirmed_plan(reader, deployment, offer.plan),
            cancels=cancels,
            passed=passed,
        )
    worse = await _worse(reader, deployment)
    if worse:
        return replace(
            offer,
            refused=rollback.none_well(
                worse, place=f"{deployment.service} {deployment.environment}"
            ),
        )
    kept_out = await reader.releases(deployment.service, deployment.environment, kept_out=True)
    others = [release for release in kept_out if release.commit != deployment.commit]
    if others:
        return replace(offer, refused=rollback.none_left(others))
    return (
        offer
        if await _was_another(reader, deployment)
        else replace(offer, refused=rollback.NEVER_ONE)
    )


async def _was_another(reader: Reader, deployment: Deployment) -> bool:
    """Tell whether another version was ever there that could have been gone back to; what was gone
    back from by hand is one.
    """
    place = (deployment.service, deployment.environment)
    live = await reader.live(*place)
    commits = [each.commit for each in await reader.releases(*place, limit=None)]
    commits += [each.commit for each in await reader.left_by_hand(*place)]
    return any(
        commit != deployment.commit for commit in [*commits, *([live.commit] if live else [])]
    )


async def passed_over(reader: Reader, deployment: Deployment, target: Live) -> Passed | None:
    """Name what was there before a deployment, and why its rollback goes back to another version;
    None where it goes back to that.
    """
    base = deployment.base_commit
    if base in {"", deployment.commit, target.commit}:
        return None
    kept_out = await reader.quarantined(deployment.service, base)
    if kept_out is not None:
        return Passed(deployment.base_version, f"is quarantined: {kept_out.reason}", kept_out.by)
    release = next(
        (each for each in await releases_for(reader, deployment, None) if each.commit == base), None
    )
    bad = await how_bad(reader, release) if release is not None else ()
    return Passed(deployment.base_version, rollback.against(bad))


async def why_not_by_rule(context: Context, reader: Reader, deployment: Deployment) -> str:
    """Say why nothing goes back by itself: only to a verified version, and only where it is known
    that no migration lies between.

    Nor where the database was put back from a copy, until somebody has said what is live.
    """
    copied = await put_back(reader, deployment)
    if copied:
        return copied
    offer = await rollback_offer(context, reader, deployment)
    if offer.refused:
        return offer.refused
    if offer.verified_at is None:
        return (
            f"{offer.version} was accepted without proof ({offer.accepted}), never verified: the "
            "lead decides whether to go back to it."
        )
    if not offer.is_known:
        return (
            f"Whether a database migration lies between this version and {offer.version} is not "
            "known: the lead decides."
        )
    return ""


async def still_held(context: Context, reader: Reader, deployment: Deployment) -> str:
    """Say as things are now why nothing goes back by itself for a finding of which that was said:
    it stays so when its reason is over.
    """
    held = await why_not_by_rule(context, reader, deployment)
    if held:
        return held
    offer = await rollback_offer(context, reader, deployment)
    return (
        "what stood in its way is over, but it stays so for what was found: the lead decides "
        f"whether to go back to {offer.version}."
    )


async def put_back(reader: Reader, deployment: Deployment) -> str:
    """Say that nobody knows what runs there, because the database is older than what
    happened; empty where it is not.
    """
    doubt = await reader.doubt(deployment.service, deployment.environment)
    if doubt is None or doubt.kind is not Unclear.RESTORED:
        return ""
    how = f"/deploy live {deployment.service} {deployment.environment} is REF because TEXT"
    return f"it is unclear what runs: {doubt.why}; say what is live: {how}"


async def _worse(reader: Reader, deployment: Deployment) -> list[tuple[Live, Sequence[Bad]]]:
    """List what could be gone back to, had nothing been known against it, with that."""
    others = [
        each for each in await releases_for(reader, deployment) if each.commit != deployment.commit
    ]
    told = [(each, await how_bad(reader, each)) for each in others]
    return [(each, bad) for each, bad in told if bad]


async def let_go_over(reader: Reader, undone: Deployment) -> Sequence[Deployment]:
    """Name what was let go over a deployment and has begun nothing: if that is rolled back
    first, it would bring it back.
    """
    coming = await reader.open_deployments(undone.service, undone.environment)
    return [
        each
        for each in coming
        if each.state is State.ROLLING_OUT and each.kind is Kind.FORWARD and each.id != undone.id
    ]


async def has_rollback_lock(reader: Reader, deployment: Deployment) -> bool:
    """Tell whether a rollback of this deployment has locked its place already; locks
    of people are other ones.
    """
    return any(
        is_of(lock.deployment, deployment.id)
        for lock in await reader.locks(deployment.service, deployment.environment)
    )


def plan_mark(plan: str) -> str:
    """Name the mark of a confirmed plan."""
    return f"plan:{plan}"


async def confirmed_plan(reader: Reader, deployment: Deployment, plan: str) -> Confirmed | None:
    """Read who has confirmed the plan that going back from a deployment takes, if it
    takes one and somebody has.
    """
    marks = await reader.marks(deployment.id) if plan else ()
    mark = next((mark for mark in marks if mark.key == plan_mark(plan)), None)
    return Confirmed(mark.by, mark.at, mark.reason) if mark else None
