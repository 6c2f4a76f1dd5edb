"""Take a lock away."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Lock, Unlock
from bot.domain.usage import Usage
from bot.services import locks
from bot.verbs import Button, Haste, Reference, Typed, Verb


def press(about: str, shown: str) -> Unlock:
    """Read what the button of a lock carries: the deployment whose rollback set it, or the
    place where somebody has.
    """
    service, _, environment = about.partition("/")
    if not environment:
        return Unlock(deployment=about, shown=shown)
    return Unlock("" if service == "all" else service, environment, shown=shown or "nothing")


VERB: Verb[Unlock] = Verb(
    Unlock,
    locks.unlock,
    Haste.GOES,
    typed=Typed(
        80,
        Usage(
            "/deploy unlock SERVICE|all ENVIRONMENT",
            "Take a lock away.",
            ("/deploy unlock storefront production",),
        ),
        read=lambda sentence: Unlock(*sentence.locked_place()),
        write=lambda it: ["unlock", it.service or "all", it.environment],
    ),
    button=Button(
        Action.UNLOCK,
        press,
        Reference(
            "Unlock",
            "holders of the permission lock",
            "takes away the lock that a rollback set",
        ),
    ),
    takes_back=Lock,
)
