"""Asking for the tests of a deployment's commit once more: one flaky test must not make a commit undeployable."""

from __future__ import annotations

from bot.domain.card import Action
from bot.domain.catalog import Permission
from bot.domain.commands import Retest
from bot.domain.deployment import WAITING
from bot.domain.errors import IntegrationError, NotPossible
from bot.ports import Answer, CIRun, Intent, Transaction
from bot.services.house import House, act, as_shown, existing, facts_of, note, seen


async def retest(house: House, intent: Intent, command: Retest) -> Answer | None:
    """Have the tests run again, for whoever may deploy; the gate looks at once. Nothing of the deployment itself is changed."""
    async with house.store.reading() as reader:
        deployment = await existing(reader, command.deployment)
        as_shown(Action.RETEST, command.shown, await seen(reader, deployment))
    await house.people.require(intent.by, Permission.DEPLOY, f"have the tests of {deployment.id} run again")
    if deployment.state not in WAITING or not deployment.commit:
        raise NotPossible(f"{deployment.title} waits for no tests.")
    try:
        run = await house.providers[deployment.service].ci.test_again(deployment.commit)
    except IntegrationError as error:
        if error.retry:
            raise
        raise NotPossible(str(error)) from error
    return await act(house, intent, lambda tx: _noted(house, intent, tx, command, run))


async def _noted(house: House, intent: Intent, tx: Transaction, command: Retest, run: CIRun) -> Answer:
    deployment = await existing(tx, command.deployment)
    await note(tx, house.now(), "retest", deployment, intent.by, commit=deployment.commit, run=run.id)
    await tx.wake(deployment.id)
    return Answer("retested", {**facts_of(deployment), "url": run.url})
