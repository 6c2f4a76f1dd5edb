"""Ask for the same commit in the environment before."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import DeployFirst
from bot.services import deployments
from bot.verbs import Button, Haste, Verb

VERB: Verb[DeployFirst] = Verb(
    DeployFirst,
    deployments.deploy_first,
    Haste.GOES,
    button=Button(Action.DEPLOY_FIRST, DeployFirst),
)
