"""The pipeline's own gates: somebody lets a run go on that waits there, by the rule that a go
obeys, and it is opened once.
"""

from __future__ import annotations

from bot.domain.catalog import Permission, Tier
from bot.domain.commands import OpenGate
from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible
from bot.domain.people import Person
from bot.domain.rollout import Step, StepState
from bot.ports.ci import GateAnswer
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.ports.time import Json
from bot.services import freezes, standstills, starts
from bot.services.alone import only
from bot.services.context import Context, act, existing, facts_of, note
from bot.services.deployments import require_still
from bot.services.given import GATE, gate_pressed, in_question
from bot.services.word import ends_by_itself

TRIED = "gate-tried:"
"""How the mark begins that says: the provider is about to be asked to
open the gate of this name.
"""
BECAME = "gate-became:"
"""The same, whose reason says what the provider answered."""


async def open_gate(context: Context, intent: Intent, command: OpenGate) -> Answer | None:
    """Open the pipeline's own gate that a step waits at. Stored first; the rollout's own
    runbook opens it, while it may.
    """
    may = await context.people.may(intent.by, Permission.DEPLOY)
    async with context.store.reading() as reader:
        deployment, shown = await _meant(reader, command)
    if not may:
        await require_still(context, shown, intent.by)
    theirs = await freezes.of_the_provider(context, deployment)
    return await act(
        context, intent, lambda tx: _open_gate(context, intent, tx, command, theirs, may=may)
    )


async def _meant(reader: Reader, command: OpenGate) -> tuple[Deployment, Deployment]:
    """Give what is under way and whose card shows it: a rollback shows on the card of what it
    undoes, and is meant by its name too.
    """
    named = await existing(reader, command.deployment)
    back = await reader.rollback_of(named.id) if named.state is State.ROLLING_BACK else None
    moving = back or named
    return moving, await existing(reader, moving.undoes or moving.id)


async def _open_gate(
    context: Context,
    intent: Intent,
    tx: Transaction,
    command: OpenGate,
    theirs: freezes.Theirs,
    *,
    may: bool,
) -> Answer:
    deployment, shown = await _meant(tx, command)
    step = next((step for step in await tx.steps(deployment.id) if step.gate), None)
    if not may and intent.by != shown.lead:
        others = context.people.named_by_role(Permission.DEPLOY)
        raise only(shown, f"let the pipeline of {deployment.id} go on", others)
    needs_others = (
        deployment.kind is Kind.FORWARD and context.of(deployment)[1].tier is Tier.PRODUCTION
    )  # going back waits for no second pair
    if needs_others and intent.by == deployment.requested_by:
        sentence = (
            f"You asked for {deployment.title} yourself; the pipeline's gate is a second pair of "
            "eyes, so somebody else opens it."
        )
        raise NotAllowed(sentence)
    if (
        step is None
        or deployment.state is not State.ROLLING_OUT
        or command.gate not in {"", step.gate}
    ):
        raise NotPossible(
            f"{deployment.title} does not wait at this gate of its pipeline any more."
        )
    await _refuse_kept(context, tx, deployment, step, theirs)
    about: dict[str, Json] = {
        "step": step.key,
        "percent": step.percent,
        "stage": step.passable_stage,
    }
    if not await tx.mark(Mark(deployment.id, f"{GATE}{step.gate}", intent.by, context.now())):
        raise NotPossible(await _pressed_before(tx, deployment, step))
    await note(
        tx,
        context.now(),
        "open_gate",
        deployment,
        intent.by,
        stage=step.passable_stage,
        step=step.key,
    )
    facts = {**facts_of(deployment), **about, "by": str(intent.by)}
    await tx.say(Message(f"{deployment.id}:gate:{intent.key}", "gate_opened", facts, shown.id))
    await tx.wake(deployment.id)
    return Answer("gate_opened", {**facts_of(deployment), **about})


async def _refuse_kept(
    context: Context, tx: Transaction, deployment: Deployment, step: Step, theirs: freezes.Theirs
) -> None:
    """Refuse to let a pipeline go on by what keeps a step from being started. Raises NotPossible. A
    smoke test changes nothing.
    """
    if step.state is not StepState.RUNNING:
        return
    kept = list(await standstills.why_not_on(context, tx, deployment, theirs))
    trouble = await in_question(tx, deployment)
    if trouble is not None:
        alone = await ends_by_itself(context, tx, deployment, trouble)
        kept.append(
            "what serves is worse than before, so the lead decides about that "
            f"first{f', unless {alone}' if alone else ''}"
        )
    if kept:
        raise NotPossible(
            f"The pipeline of {deployment.title} waits before {step.passable_stage}, and is "
            f"not let go on: {kept[0]}."
        )


async def _pressed_before(tx: Transaction, deployment: Deployment, step: Step) -> str:
    """Say to the second who opens a gate what became of the first time."""
    became = {mark.key: mark.reason for mark in await tx.marks(deployment.id)}.get(
        f"{BECAME}{step.gate}", ""
    )
    if became == GateAnswer.NOT_THERE:
        where = f"The pipeline of {deployment.title} waits at no gate of {deployment.environment}"
        return f"{where}. What it waits for is opened at the CI provider."
    pressed = await gate_pressed(tx, deployment, step)
    if not became and pressed is not None:
        soon = (
            f"it goes on with {step.passable_stage} at the next look at its "
            "run, if nothing keeps it"
        )
        return (
            f"{pressed.by.mention} has let the pipeline of "
            f"{deployment.title} go on already: {soon}."
        )
    return (
        f"This gate of {deployment.title} has been opened already. If the pipeline still waits, "
        "open it at the CI provider."
    )


async def open_stored_gate(
    context: Context, deployment: Deployment, step: Step, *, waits: bool
) -> None:
    """Open the gate that somebody has opened here, once, if the rollout still goes on; say what
    became of it where it was not opened.

    Asked again right before the provider is told. A pipeline that does not wait any more has been
    let go on by somebody there.
    """
    async with context.store.transaction() as tx:
        marks = {mark.key: mark for mark in await tx.marks(deployment.id)}
        asked = marks.get(f"{GATE}{step.gate}")
        is_over = (await existing(tx, deployment.id)).state is not State.ROLLING_OUT
        if asked is None or f"{BECAME}{step.gate}" in marks or is_over:
            return
    if waits and not await starts.may_go_on(context, deployment, step):
        return  # what has come since the press keeps it here; it is opened when that is gone
    async with context.store.transaction() as tx:
        is_first = await tx.mark(
            Mark(deployment.id, f"{TRIED}{step.gate}", asked.by, context.now())
        )
    answer = GateAnswer.WAS_OPEN
    try:
        if waits:
            answer = await context.providers[deployment.service].ci.open_gate(
                step.run, deployment.environment
            )
    except IntegrationError as error:
        if not error.retry:
            await starts.say_refused(context, deployment, step, str(error))
        return
    if answer is GateAnswer.WAS_OPEN and not is_first:
        answer = GateAnswer.OPENED  # by our own try before, whose answer was lost
    await tell_what_became(context, deployment, step, asked.by, answer)


async def tell_what_became(
    context: Context, deployment: Deployment, step: Step, by: Person, answer: GateAnswer
) -> None:
    """Store what became of a gate that somebody let us open, and say it where it is
    not what they were told.
    """
    about: dict[str, Json] = {"stage": step.passable_stage, "step": step.key}
    async with context.store.transaction() as tx:
        if not await tx.mark(
            Mark(deployment.id, f"{BECAME}{step.gate}", by, context.now(), answer.value)
        ):
            return
        if answer is GateAnswer.OPENED:
            return
        await note(tx, context.now(), "gate_not_opened", deployment, why=answer.value, **about)
        facts = {
            **facts_of(deployment),
            **about,
            "by": str(by),
            "became": answer.value,
            "url": step.run_url,
        }
        await tx.say(
            Message(
                f"{deployment.id}:gate:{step.gate}:became",
                "gate_not_opened",
                facts,
                deployment.undoes or deployment.id,
            )
        )
