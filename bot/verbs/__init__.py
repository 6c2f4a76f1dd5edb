"""The verbs: what people can ask for, each declared whole as ``VERB`` in a module of its name.

Nothing below this room imports it. Help, reading and writing, use cases, buttons, dialogs, the
reference and the enumeration of who may do what are made from these declarations
(``bot.dispatch.tables``); plain values go down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from bot.domain.actions import Action
from bot.domain.commands import Command
from bot.domain.deployment import DeploymentId
from bot.domain.people import Person
from bot.domain.sentence import Sentence
from bot.domain.usage import Usage
from bot.ports.talk import Answer, Intent
from bot.services.context import Context

C = TypeVar("C", bound=Command)

UseCase = Callable[[Context, Intent, C], Awaitable[Answer | None]]
May = Callable[[Context, Person, DeploymentId], Awaitable[object]]


class Haste(Enum):
    """What a command waits for, and how old it may be when it is carried out."""

    ASKS = "asks"
    """It only asks: it is not kept for a vendor, has slots of its own, and nobody minds its age."""
    GOES = "goes"
    """It lets something go forward, or changes who decides."""
    STOPS = "stops"
    """It stops something or goes back: it waits for no slot, and is meant for longer."""
    HELPS_TO_STOP = "helps to stop"
    """Somebody needs it in order to stop something: it waits for no slot."""


@dataclass(frozen=True, slots=True)
class Typed(Generic[C]):
    """A command that is typed. ``place`` orders the help, in tens."""

    place: int
    usage: Usage
    read: Callable[[Sentence], C]
    write: Callable[[C], Sequence[str]]
    """Gives the words after the slash command that read back as the command; empty ones are
    left out.
    """


@dataclass(frozen=True, slots=True)
class Reference:
    """A line of the reference about a button: what it is called there, who may, what it does."""

    called: str
    who: str
    does: str


@dataclass(frozen=True, slots=True)
class Button(Generic[C]):
    """A button that means a command by itself."""

    action: Action
    press: Callable[[str, str], C]
    """Reads what it carries: what it is about, and what was shown beside it."""
    reference: Reference


@dataclass(frozen=True, slots=True)
class ReasonButton(Generic[C]):
    """A button whose dialog asks why."""

    action: Action
    answered: Callable[[str, str, str], C]
    """Makes the command of a deployment, the reason and what was shown."""
    may: May
    """Asked before the dialog opens: a reason that is typed for nothing is lost."""
    reference: Reference


@dataclass(frozen=True, slots=True)
class ListButton(Generic[C]):
    """A button whose dialog offers a person's own items."""

    action: Action
    chosen: Callable[[str, tuple[str, ...], tuple[str, ...], str], C]
    """Makes the command of a deployment, what is ticked now, what was ticked before, and what was
    shown.
    """
    reference: Reference


@dataclass(frozen=True, slots=True)
class Verb(Generic[C]):
    """One verb, whole. Its name is the command's."""

    command: type[C]
    do: UseCase[C]
    haste: Haste
    typed: Typed[C] | None = None
    button: Button[C] | ReasonButton[C] | ListButton[C] | None = None
    takes_back: type[Command] | None = None
    """The command that it takes back: these two keep their order, however long it takes."""

    @property
    def name(self) -> str:
        """Name the verb."""
        return self.command.verb


@cache
def every() -> tuple[Verb[Any], ...]:
    """Give all verbs: those that are typed in the order of the help, then the others by their
    names. Raises TypeError for a module without its own.
    """
    found = [_verb(module.name) for module in iter_modules(__path__)]
    return tuple(
        sorted(found, key=lambda verb: (verb.typed.place if verb.typed else 1000, verb.name))
    )


def _verb(module: str) -> Verb[Any]:
    found = getattr(import_module(f"{__name__}.{module}"), "VERB", None)
    if not isinstance(found, Verb) or found.name != module:
        raise TypeError(f"bot.verbs.{module} has no VERB of its name")
    return found
