"""What keeps a rollout from its next step, who can take that away, and what goes on once nothing
does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.catalog import Permission
from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.keeping import Kept
from bot.domain.people import GONOGO
from bot.domain.places import Hindrance, obstacles
from bot.domain.rollout import Step, StepState
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services import freezes, watching
from bot.services.context import Context, existing, facts_of, facts_of_kept, note
from bot.services.given import gate_pressed, in_question
from bot.services.ways import way_there


@dataclass(frozen=True, slots=True)
class Freed:
    """What a rollout goes on to that nothing keeps any more: its next step, or what comes after the
    gate where its run waits.
    """

    percent: int
    gate: str = ""
    is_let: bool = False
    """Whether somebody has let it go on at that gate."""

    @property
    def facts(self) -> dict[str, Json]:
        """Give it as JSON values."""
        return {"percent": self.percent, "gate": self.gate, "is_let": self.is_let}


NO_LONGER: dict[str, Json] = {"percent": None, "gate": "", "is_let": False}
"""The same where nothing goes on."""


async def frozen(context: Context, id: DeploymentId) -> freezes.Theirs:
    """Ask the provider's calendar about the place of a deployment."""
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
    return await freezes.of_the_provider(context, deployment)


async def standstill(
    context: Context, reader: Reader, deployment: Deployment
) -> tuple[Hindrance, ...]:
    """Name what keeps a rollout from its next step. A rollback is kept by nothing."""
    if deployment.kind is Kind.ROLLBACK:
        return ()
    steps = await reader.steps(deployment.id)
    has_begun = any(step.state is not StepState.PENDING for step in steps)
    way = None if has_begun else await way_there(context, reader, deployment)
    found = obstacles(deployment, await reader.ground(deployment), way, context.now())
    return (
        (*found, *await watching.hindrances(context, reader, deployment))
        if deployment.is_only_let_go
        else found
    )


def kept_by(context: Context, found: Hindrance) -> Kept | None:
    """Say who keeps a rollout where it is, and who can take that away; None
    where nobody's word does.
    """
    if not found.how:
        return None
    named = context.people.anyone_with(Permission.LOCK)
    who = (named,) if named else ()
    return Kept(str(found.kind), found.by, found.at, found.clears_at, who, found.how)


async def kept(
    context: Context, reader: Reader, deployments: Sequence[Deployment]
) -> Sequence[Deployment]:
    """Name those whose next step something keeps now."""
    rolling = [
        each
        for each in deployments
        if each.state is State.ROLLING_OUT and each.kind is Kind.FORWARD
    ]
    return [each for each in rolling if await standstill(context, reader, each)]


async def freed(
    context: Context, reader: Reader, kept_before: Sequence[Deployment]
) -> dict[DeploymentId, Freed]:
    """Name those that nothing keeps any more, and what each goes on to."""
    found: dict[DeploymentId, Freed] = {}
    for deployment in kept_before:
        steps = await reader.steps(deployment.id)
        at_gate = next((step for step in steps if step.is_gated), None)
        step = at_gate or next((step for step in steps if step.state is StepState.PENDING), None)
        if step is not None and not await standstill(context, reader, deployment):
            is_let = (
                at_gate is not None and await gate_pressed(reader, deployment, at_gate) is not None
            )
            found[deployment.id] = Freed(step.percent, step.passable_stage, is_let=is_let)
    return found


def facts_of_freed(
    deployments: Sequence[Deployment], freed: Mapping[DeploymentId, Freed]
) -> list[dict[str, Json]]:
    """Give what goes on now as JSON values, for whoever set it going."""
    going = [each for each in deployments if each.id in freed]
    return [
        {"title": each.title, "lead": str(each.lead or ""), **freed[each.id].facts}
        for each in going
    ]


async def stands_still(
    context: Context, tx: Transaction, deployment: Deployment, step: Step, theirs: freezes.Theirs
) -> bool:
    """Tell whether something keeps a step from being started; the lead is
    told once for each reason.
    """
    if deployment.kind is Kind.ROLLBACK:
        return False
    if await tx.holder(deployment.service, deployment.environment) != deployment.id:
        return True
    keeping = await _keeping(context, tx, deployment, theirs)
    if keeping:
        await _observe_again(tx, deployment, step)
    # a second lock with its reason is another
    marks = [(each, f"stands:{step.key}:{each['since']}:{each['why']}") for each in keeping]
    new = [
        each
        for each, key in marks
        if await tx.mark(Mark(deployment.id, key, GONOGO, context.now()))
    ]
    if new:  # all that keeps it is said at once: what ends first lets nothing go on
        facts = {
            **facts_of(deployment),
            **keeping[0],
            "also": keeping[1:],
            "step": step.key,
            "percent": step.percent,
        }
        key = f"{deployment.id}:stands:{step.key}:{new[0]['since']}:{new[0]['why']}"[:190]
        whys = "; ".join(str(each["why"]) for each in new)
        await note(tx, context.now(), "stood still", deployment, step=step.key, why=whys)
        await tx.say(Message(key, "stands_still", facts, deployment.id, to="channel"))
        await tx.say(Message(f"{key}:thread", "standstill", facts, deployment.id))
    return bool(keeping)


async def _keeping(
    context: Context, reader: Reader, deployment: Deployment, theirs: freezes.Theirs
) -> list[dict[str, Json]]:
    """Give everything that keeps a rollout as JSON values, each with who can take it away: a
    lock, a quarantine, a freeze.
    """
    found = {each.sentence: each for each in await standstill(context, reader, deployment)}
    return [
        _facts_of_standing(context, sentence, found.get(sentence))
        for sentence in await why_not_on(context, reader, deployment, theirs)
    ]


def _facts_of_standing(context: Context, sentence: str, found: Hindrance | None) -> dict[str, Json]:
    since = found.at.isoformat() if found and found.at else ""
    return {
        "why": sentence,
        "since": since,
        "kept": facts_of_kept(kept_by(context, found)) if found else None,
    }


async def is_kept(
    context: Context, tx: Transaction, deployment: Deployment, step: Step, theirs: freezes.Theirs
) -> bool:
    """Tell whether a run that is about to start, or to go on, is kept: by what stands still, or by
    what was found where it serves now.
    """
    if await in_question(tx, deployment) is not None:
        await _observe_again(tx, deployment, step)
        return True
    return await stands_still(context, tx, deployment, step, theirs)


async def why_not_on(
    context: Context, reader: Reader, deployment: Deployment, theirs: freezes.Theirs = ()
) -> Sequence[str]:
    """Say what keeps a rollout from going on, whoever wishes it to: from a step's start, and
    from its pipeline's gate.
    """
    found = [each.sentence for each in await standstill(context, reader, deployment)]
    return (
        found
        if deployment.kind is Kind.ROLLBACK
        else [*found, *await freezes.why_not_on(context, reader, deployment, theirs)]
    )


async def _observe_again(tx: Transaction, deployment: Deployment, step: Step) -> None:
    """Go back to observing the step before, which serves as long as its rollout stands still: what
    turns worse meanwhile is seen.

    Beside a run that is there, or may be, it is looked at without that (``health.glance``).
    """
    steps = await tx.steps(deployment.id)
    before = steps[step.index - 1] if step.index else None
    if before is not None and before.state is StepState.DONE and steps[step.index].is_untouched:
        await tx.save_steps(
            deployment.id, [replace(before, state=StepState.HOLDING, finished_at=None)]
        )
