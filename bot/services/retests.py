"""Asking for the tests of a deployment's commit once more: one flaky test must not
make a commit undeployable.
"""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.catalog import Permission
from bot.domain.commands import Retest
from bot.domain.decisions import Mark
from bot.domain.deployment import WAITING, Deployment
from bot.domain.errors import IntegrationError, NotPossible
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent
from bot.services.context import Context, act, as_shown, existing, facts_of, note, seen


async def retest(context: Context, intent: Intent, command: Retest) -> Answer | None:
    """Have the tests run again, for whoever may deploy; the gate looks at once. Nothing of the
    deployment itself is changed.
    """
    await context.people.require(
        intent.by, Permission.DEPLOY, f"have the tests of {command.deployment} run again"
    )
    deployment, is_first = await _intended(context, intent, command)
    run = await _tested_again(context, deployment, is_first=is_first)
    return await act(context, intent, lambda tx: _noted(context, intent, tx, deployment, run))


async def _intended(context: Context, intent: Intent, command: Retest) -> tuple[Deployment, bool]:
    """Store what is about to be asked for; tell whether that is the first time. Raises NotPossible
    where nothing waits for tests.
    """
    async with context.store.transaction() as tx:
        deployment = await existing(tx, command.deployment)
        as_shown(Action.RETEST, command.shown, await seen(tx, deployment))
        if deployment.state not in WAITING or not deployment.commit:
            raise NotPossible(f"{deployment.title} waits for no tests.")
        return deployment, await tx.mark(
            Mark(deployment.id, f"retest:{intent.key}", intent.by, context.now())
        )


async def _tested_again(context: Context, deployment: Deployment, *, is_first: bool) -> CIRun:
    """Have the tests run again. What was asked for before a crash, or without an
    answer, is looked for first.
    """
    ci = context.providers[deployment.service].ci
    try:
        known = None if is_first else await ci.quality(deployment.commit)
        if known is not None and not known.is_repeatable:
            return CIRun("", RunState.RUNNING, known.url)  # or they are green by now
        return await ci.test_again(deployment.commit)
    except IntegrationError as error:
        if error.retry:
            raise
        raise NotPossible(str(error)) from error


async def _noted(
    context: Context, intent: Intent, tx: Transaction, deployment: Deployment, run: CIRun
) -> Answer:
    await note(
        tx, context.now(), "retest", deployment, intent.by, commit=deployment.commit, run=run.id
    )
    await tx.wake(deployment.id)
    return Answer("retested", {**facts_of(deployment), "url": run.url})
