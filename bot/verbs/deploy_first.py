"""Ask for the same commit in the environment before."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import DeployFirst
from bot.services import deployments
from bot.verbs import Button, Haste, Reference, Verb

VERB: Verb[DeployFirst] = Verb(
    DeployFirst,
    deployments.deploy_first,
    Haste.GOES,
    button=Button(
        Action.DEPLOY_FIRST,
        DeployFirst,
        Reference(
            "Deploy there first",
            "holders of the permission deploy",
            "asks for the same commit in the environment before",
        ),
    ),
)
