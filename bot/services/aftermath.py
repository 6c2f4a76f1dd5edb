"""After a rollback: do the numbers say that the old version is the cure? Looked at for a while,
shown on the card, said in the thread.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.deployment import CAN_ROLL_BACK, Deployment, DeploymentId, is_of
from bot.domain.health import AFTER, Snapshot, Verdict, overall
from bot.domain.judgement import judge
from bot.domain.outcomes import Went
from bot.domain.rollback import Passage
from bot.ports.metrics import Cohort, Window
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of, facts_of_snapshot, note
from bot.services.snapshots import observe, observed
from bot.services.targets import how_bad, releases_for, undoable
from bot.services.ways import left_behind, way_back

LOOKED_AFTER = timedelta(minutes=10)
"""How long the version that is back is looked at; where the environment's
watch is shorter, so long.
"""


async def look(context: Context, id: DeploymentId) -> Went | None:
    """Compare the version that is back with the time before the deployment that it undid. ``over``
    when something else is live.
    """
    async with context.store.reading() as reader:
        back = await existing(reader, id)
        undone = await existing(reader, back.undoes)
        live = await reader.live(back.service, back.environment)
    policy = context.of(back)[1]
    if live is None or not is_of(live.deployment, id) or not policy.is_watched:
        return Went.OVER
    shot = await numbers_after(context, back, undone, live.since)
    others = await _others(context, back, undone) if shot.verdict is Verdict.DEGRADED else []
    is_over = context.now() >= live.since + min(LOOKED_AFTER, policy.watch)
    async with context.store.transaction() as tx:
        now = await tx.live(back.service, back.environment)
        if now is None or not is_of(now.deployment, id):
            return Went.OVER
        if shot.verdict is not Verdict.NO_DATA or is_over:
            await tx.add_snapshot(shot)
            await tx.wake(undone.id)
        if shot.verdict is Verdict.DEGRADED:
            await _alarm(tx, back, undone, shot, others)
        if not is_over:
            return None
        await note(tx, context.now(), "looked after", undone, verdict=str(shot.verdict))
        facts = {**facts_of(undone), "target": back.version, "snapshot": facts_of_snapshot(shot)}
        await tx.say(Message(f"{id}:looked-after", "looked_after", facts, undone.id))
    return Went.GO


async def _others(context: Context, back: Deployment, undone: Deployment) -> list[Json]:
    """Name the versions that the typed rollback puts there: none bad itself, and none over a
    migration as far as can be told.
    """
    async with context.store.reading() as reader:
        found = await undoable(reader, back.service, back.environment)
        if found is None or found.commit != back.commit or found.state not in CAN_ROLL_BACK:
            return []
        releases = [
            each
            for each in await releases_for(reader, found)
            if each.commit not in {back.commit, undone.commit}
        ]
        well = [each for each in releases if not await how_bad(reader, each)]
        beside = await left_behind(reader, back.service, back.environment, leaving=back.commit)
    ways = [
        await way_back(context, back.service, leaving=back.commit, to=each.commit, beside=beside)
        for each in well
    ]
    return [
        each.version for each, way in zip(well, ways, strict=True) if way.passage is Passage.FREE
    ]


async def _alarm(
    tx: Transaction, back: Deployment, undone: Deployment, shot: Snapshot, others: list[Json]
) -> None:
    """Call the lead once, where people are called, when what is back is worse itself,
    and say what can be done.
    """
    place = f"{back.service} {back.environment}"
    facts = {
        **facts_of(undone),
        "target": back.version,
        "snapshot": facts_of_snapshot(shot),
        "place": place,
        "others": others,
    }
    await tx.say(
        Message(f"{back.id}:back-and-worse", "back_and_worse", facts, undone.id, to="channel")
    )


async def numbers_after(
    context: Context, back: Deployment, undone: Deployment, since: datetime
) -> Snapshot:
    """Compare what a rollback has put back at a moment with the time before the
    deployment that it undoes.
    """
    service, policy, _ = context.of(back)
    async with context.store.reading() as reader:
        normal = await reader.normal(undone.id)
    began = normal.until if normal else undone.started_at or undone.requested_at
    before = await observe(
        context, service, policy, Window(began - policy.baseline, began), Cohort()
    )
    after, silence = await observed(
        context, service, policy, Window(since, context.now()), Cohort(back.commit)
    )
    findings = tuple(
        judge(spec, before.get(spec.key), after.get(spec.key), silence=silence)
        for spec in service.metric_specs
    )
    compared_with = f"the time before {undone.version}"
    return Snapshot(
        back.id,
        AFTER,
        context.now(),
        overall(findings),
        findings,
        compared_with,
        AFTER,
        silence=silence,
    )
