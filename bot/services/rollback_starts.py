"""Starting a rollback: to which version, why not now, and what else ends with it; also by rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from bot.domain import rollback
from bot.domain.called import name_of, own_name
from bot.domain.deployment import CAN_ROLL_BACK, Deployment, Kind, State
from bot.domain.errors import NotPossible
from bot.domain.live import Live
from bot.domain.people import GONOGO, Person
from bot.domain.rollout import Step
from bot.ports.reader import Reader
from bot.ports.store import NewDeployment, Transaction
from bot.ports.talk import Message
from bot.services.context import (
    Context,
    facts_of,
    note,
)
from bot.services.offers import (
    let_go_over,
    rollback_offer,
    why_not_by_rule,
)
from bot.services.quarantines import keep_out_undone
from bot.services.strays import give_up
from bot.services.targets import own_beside, releases_for, target_for

AnyNamed = TypeVar("AnyNamed", bound=rollback.Named)


async def target_of(context: Context, reader: Reader, deployment: Deployment, ref: str) -> Live:
    """Choose the version to go back to. Raises NotPossible where there is none."""
    if deployment.state not in CAN_ROLL_BACK:
        raise NotPossible(await not_now(reader, deployment))
    found = await _named(reader, deployment, ref) if ref else await target_for(reader, deployment)
    if found is None:
        instead = (
            f"To put another version there: /deploy {deployment.service} REF to "
            f"{deployment.environment}."
        )
        if deployment.is_in_part_there:
            instead = (
                "To put another version there, stop this one where it is first: "
                f"/deploy cancel {deployment.id}."
            )
        raise NotPossible(
            f"{(await rollback_offer(context, reader, deployment)).refused} {instead}"
        )
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody names to go back to."""

    ref: str
    named: tuple[str, ...]
    """The commits that its name has meant."""
    leaving: Deployment

    def calls(self, release: rollback.Named) -> str:
        """Call a version so that it is no other of its name."""
        return own_beside(release, self.leaving, self.named)

    def finds(self, releases: Iterable[AnyNamed]) -> list[AnyNamed]:
        """List what is meant; what is there is not, where the name means another one too."""
        found = [each for each in releases if rollback.is_named(each, self.ref)]
        return [each for each in found if not (self.others and each.commit == self.leaving.commit)]

    @property
    def others(self) -> list[str]:
        """Name the other commits of the name that is what is there as well."""
        is_there = self.ref == name_of(self.leaving.version)
        rest = [commit for commit in self.named if commit != self.leaving.commit]
        return [own_name(self.ref, each, named=self.named) for each in rest] if is_there else []

    @property
    def already(self) -> str:
        """Begin a refusal with the commit that is there, where the name means another one too."""
        own = own_name(self.ref, self.leaving.commit, named=self.named)
        return f"{own} is what is there already, and " if self.others else ""


async def _named(reader: Reader, deployment: Deployment, ref: str) -> Live:
    """Choose the version that somebody named. Of several commits of one name it is the one that can
    be gone back to. Raises NotPossible.
    """
    releases = await releases_for(reader, deployment, None)
    asked = _Asked(ref, await reader.once_called(deployment.service, name_of(ref)), deployment)
    if all(each.commit == deployment.commit for each in asked.finds(releases)):
        listed = _others(releases, deployment)
        await _refuse_left(reader, asked)
        await _refuse_kept_out(reader, asked, listed)
        if asked.others:
            rest = " and ".join(asked.others)
            raise NotPossible(
                f"{asked.already}{rest} is not among the versions verified or accepted here. "
                f"{listed}"
            )
    found = rollback.chosen(releases, ref=ref, leaving=deployment.commit)
    return replace(found, version=asked.calls(found))


def _others(releases: Sequence[Live], deployment: Deployment) -> str:
    """Say what else one could ask for; what lies between is compared only then."""
    called = "Others that ended their watch here, as far as no migration lies between"
    return rollback.candidates_of(releases, leaving=deployment.commit, called=called)


async def _refuse_left(reader: Reader, asked: _Asked) -> None:
    """Refuse to put back what somebody has gone back from by hand. Raises NotPossible."""
    place = (asked.leaving.service, asked.leaving.environment)
    for left in asked.finds(await reader.left_by_hand(*place)):
        how = f"It counts again once it is deployed: /deploy {place[0]} REF to {place[1]}."
        raise NotPossible(
            f"{asked.already}{left.by.mention} has gone back from {asked.calls(left)} by hand, so "
            f"no rollback puts it back. {how}"
        )


async def _refuse_kept_out(reader: Reader, asked: _Asked, listed: str) -> None:
    """Refuse to go back to what is quarantined, by its version, and say why
    it is. Raises NotPossible.
    """
    place = (asked.leaving.service, asked.leaving.environment)
    for meant in asked.finds(await reader.releases(*place, limit=None, kept_out=True)):
        known = await reader.quarantined(asked.leaving.service, meant.commit)
        why = f"{known.reason} ({known.by.mention})" if known else ""
        raise NotPossible(
            f"{asked.already}{asked.calls(meant)} is quarantined, so nothing goes back to it: "
            f"{why}. {listed}"
        )


async def not_now(reader: Reader, deployment: Deployment) -> str:
    """Say why a deployment cannot be rolled back as it stands; of one that
    goes back already, what to.
    """
    coming = await reader.open_deployments(deployment.service, deployment.environment)
    back = next((each for each in coming if each.undoes == deployment.id), None)
    if back is not None:
        return f"{deployment.title} is rolling back to {back.version} already, as {back.id}."
    if deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        return f"{deployment.is_over_already}."
    return f"{deployment.stands}; there is nothing to roll back."


async def by_rule(context: Context, tx: Transaction, deployment: Deployment, why: str) -> str:
    """Start the automatic rollback inside the transaction that found the reason; say why not, where
    it may not go by itself.
    """
    held = await why_not_by_rule(context, tx, deployment)
    if held:
        return held
    target = await target_of(context, tx, deployment, "")
    await start_back(context, tx, deployment, target, by=GONOGO, reason=why)
    return ""


async def start_back(
    context: Context,
    tx: Transaction,
    deployment: Deployment,
    target: Live,
    *,
    by: Person,
    reason: str,
) -> bool:
    """Start a rollback, and keep out what it undoes if that was shown to be
    bad; tell whether it was.
    """
    now = context.now()
    if not await tx.move(deployment.id, State.ROLLING_BACK, at=now, note=reason):
        raise NotPossible(await not_now(tx, deployment))
    back = await tx.add_deployment(_way_back(deployment, target, by, reason, now))
    await tx.set_countdown(deployment.id, None)
    await _end_what_else_is_there(context, tx, deployment)
    await tx.seize(deployment.service, deployment.environment, back.id)
    await tx.save_steps(back.id, [await _first_step(tx, deployment, now)])
    await note(
        tx,
        now,
        "rollback",
        deployment,
        by,
        to=target.commit,
        version=target.version,
        reason=reason,
        rollback=back.id,
    )
    facts = {**facts_of(deployment), "by": str(by), "target": target.version, "reason": reason}
    await tx.say(
        Message(
            f"{back.id}:rolling-back",
            "rolling_back",
            facts,
            deployment.id,
            to="channel" if by != GONOGO else "thread",
        )
    )
    await tx.start("roll_back", back.id, back.id)
    await tx.wake(deployment.id)
    return await keep_out_undone(context, tx, deployment, back)


def _way_back(
    deployment: Deployment, target: Live, by: Person, reason: str, at: datetime
) -> NewDeployment:
    """Describe the rollback that undoes a deployment."""
    return NewDeployment(
        kind=Kind.ROLLBACK,
        service=deployment.service,
        environment=deployment.environment,
        ref=target.version,
        version=target.version,
        commit=target.commit,
        strategy=deployment.strategy,
        requested_by=by,
        at=at,
        lead=deployment.lead,
        reason=reason,
        channel=deployment.channel,
        undoes=deployment.id,
        base_commit=deployment.commit,
        base_version=deployment.version,
    )


async def _first_step(reader: Reader, undone: Deployment, now: datetime) -> Step:
    """Make the rollback's step; a CI provider that does not answer at this moment is silent about
    it as well, until it has answered.
    """
    silent = next(
        (step for step in await reader.steps(undone.id) if step.is_under_way and step.silent_since),
        None,
    )
    step = Step(0, "rollback", 100, timedelta(0))
    return replace(step, silent_since=now, refusal=silent.refusal) if silent is not None else step


async def _end_what_else_is_there(context: Context, tx: Transaction, undone: Deployment) -> None:
    """End what was let go over a deployment that is rolled back, which would bring it back; and the
    watch of what it was let go over.
    """
    for other in await let_go_over(tx, undone):
        begun = [
            step for step in await tx.steps(other.id) if step.is_under_way and not step.is_untouched
        ]
        for step in begun:
            await note(tx, context.now(), "given up", other, step=step.key, run=step.run)
            await give_up(context, tx, other, step)
        how_far = "its run was seen to begin" if begun else "anything of it was started"
        why = f"{undone.id}, which it was to replace, was rolled back before {how_far}"
        await tx.move(other.id, State.CANCELLED, at=context.now(), note=why)
        await note(tx, context.now(), "cancel", other, why=why)
        await tx.wake(other.id)
    watched = await tx.watched(undone.service, undone.environment)
    if watched is not None:
        await tx.move(
            watched.id,
            State.SUPERSEDED,
            at=context.now(),
            note=f"{undone.id} was let go over it, and is rolled back to another version",
        )
        await tx.wake(watched.id)
