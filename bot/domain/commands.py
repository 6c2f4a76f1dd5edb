"""What a person can ask for: one dataclass per verb, whether it was typed, clicked
or sent from the terminal.

A click on a card and a typed line end in the same command; how it is read and carried out stands
in ``bot.verbs``, where a command may stand as well that no room below takes. Every
command can be written to and read from JSON (``to_json``/``from_json``), because what is accepted
is stored before anything is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, ClassVar

from bot.domain.deployment import DeploymentId


@dataclass(frozen=True, slots=True)
class Command:
    """Anything that a person can ask for."""

    verb: ClassVar[str] = ""


# Typed after /deploy or /rollback ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deploy(Command):
    """``/deploy SERVICE [REF] to ENVIRONMENT [with STRATEGY] [lead @user] [because TEXT]``."""

    verb: ClassVar[str] = "deploy"
    service: str
    environment: str
    ref: str = "latest"
    strategy: str = ""
    lead: str = ""
    """A Slack user id (``U…``), already taken out of its mention."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Check(Command):
    """``/deploy check SERVICE [REF] to ENVIRONMENT``: every gate in one
    answer; nothing is changed.
    """

    verb: ClassVar[str] = "check"
    service: str
    environment: str
    ref: str = "latest"


@dataclass(frozen=True, slots=True)
class Status(Command):
    """``/deploy status [SERVICE]``."""

    verb: ClassVar[str] = "status"
    service: str = ""


@dataclass(frozen=True, slots=True)
class History(Command):
    """``/deploy history SERVICE [ENVIRONMENT]``."""

    verb: ClassVar[str] = "history"
    service: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Cancel(Command):
    """``/deploy cancel ID``, or the button."""

    verb: ClassVar[str] = "cancel"
    deployment: DeploymentId
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Lock(Command):
    """``/deploy lock SERVICE|all ENVIRONMENT [for 2h] because
    TEXT``. ``service`` is empty for all.
    """

    verb: ClassVar[str] = "lock"
    service: str
    environment: str
    reason: str
    seconds: int = 0
    """How long; 0 for until somebody unlocks."""

    @property
    def duration(self) -> timedelta | None:
        """How long the lock holds; None for until somebody unlocks."""
        return timedelta(seconds=self.seconds) if self.seconds else None


@dataclass(frozen=True, slots=True)
class Unlock(Command):
    """``/deploy unlock SERVICE|all ENVIRONMENT``, or the button (then
    only ``deployment`` is set).
    """

    verb: ClassVar[str] = "unlock"
    service: str = ""
    environment: str = ""
    deployment: DeploymentId = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Quarantine(Command):
    """``/deploy quarantine SERVICE REF because TEXT``: keep a version from being deployed,
    or gone back to, anywhere.
    """

    verb: ClassVar[str] = "quarantine"
    service: str
    ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unquarantine(Command):
    """``/deploy unquarantine SERVICE REF because TEXT``: let it be deployed again."""

    verb: ClassVar[str] = "unquarantine"
    service: str
    ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class SayLive(Command):
    """``/deploy live SERVICE ENVIRONMENT is REF because TEXT``, which is answered with a dialog,
    or its button that acts.

    The button names what was ``shown``; ``ref`` is then a full commit, and
    ``version`` what people call it.
    """

    verb: ClassVar[str] = "live"
    service: str
    environment: str
    ref: str
    reason: str
    shown: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Locks(Command):
    """``/deploy locks``."""

    verb: ClassVar[str] = "locks"


@dataclass(frozen=True, slots=True)
class HandOver(Command):
    """``/deploy lead ID @user``."""

    verb: ClassVar[str] = "lead"
    deployment: DeploymentId
    to: str
    """A Slack user id."""


@dataclass(frozen=True, slots=True)
class Help(Command):
    """``/deploy help [COMMAND]``."""

    verb: ClassVar[str] = "help"
    topic: str = ""


@dataclass(frozen=True, slots=True)
class RollBack(Command):
    """``/rollback SERVICE [ENVIRONMENT] [to REF] because TEXT``, which is answered with the dialog,
    or the button that acts.

    The button names the ``deployment``, and what it ``shown``: which version goes and which comes.
    ``ref`` is then a full commit, or empty for the one that the card offers.
    """

    verb: ClassVar[str] = "rollback"
    service: str = ""
    environment: str = ""
    ref: str = ""
    reason: str = ""
    deployment: DeploymentId = ""
    shown: str = ""
    although_unknown: bool = False
    """Go although nobody can say whether a migration lies between: on the lead's word,
    with a button of its own.
    """


# Clicked on a card ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Approve(Command):
    """The Approve button."""

    verb: ClassVar[str] = "approve"
    deployment: DeploymentId
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Reject(Command):
    """The Reject button and its dialog."""

    verb: ClassVar[str] = "reject"
    deployment: DeploymentId
    reason: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Tick(Command):
    """Checklist items ticked in the dialog, and those that were ticked and are not any more."""

    verb: ClassVar[str] = "tick"
    deployment: DeploymentId
    items: tuple[str, ...]
    before: tuple[str, ...] = ()
    """What the dialog showed as ticked: only what differs from it was decided."""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledge(Command):
    """The on-call person says that they know about the deployment."""

    verb: ClassVar[str] = "acknowledge"
    deployment: DeploymentId
    shown: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmPlan(Command):
    """Somebody confirms, with a reason, that the migrations' own plan for going back is ready."""

    verb: ClassVar[str] = "confirm_plan"
    deployment: DeploymentId
    reason: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Proceed(Command):
    """The lead lets a degraded rollout go on, with a reason."""

    verb: ClassVar[str] = "proceed"
    deployment: DeploymentId
    reason: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class StopCountdown(Command):
    """The lead stops the automatic rollback, with a reason."""

    verb: ClassVar[str] = "stop_countdown"
    deployment: DeploymentId
    reason: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class SayWhy(Command):
    """Whoever rolled back without a reason gives it."""

    verb: ClassVar[str] = "say_why"
    deployment: DeploymentId
    reason: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Watch(Command):
    """The lead says "watching"."""

    verb: ClassVar[str] = "watch"
    deployment: DeploymentId
    shown: str = ""


@dataclass(frozen=True, slots=True)
class OpenGate(Command):
    """Let the pipeline go on that waits at a manual gate of its own; ``gate`` says at
    which one (``Step.gate``).
    """

    verb: ClassVar[str] = "open_gate"
    deployment: DeploymentId
    gate: str = ""


@dataclass(frozen=True, slots=True)
class Retest(Command):
    """Have the tests of a deployment's commit run again."""

    verb: ClassVar[str] = "retest"
    deployment: DeploymentId
    shown: str = ""


@dataclass(frozen=True, slots=True)
class DeployFirst(Command):
    """The button that deploys the same commit to the environment before."""

    verb: ClassVar[str] = "deploy_first"
    deployment: DeploymentId
    shown: str = ""


@dataclass(frozen=True, slots=True)
class GoNow(Command):
    """Somebody lets a deployment go without waiting for the end of the watch of the one before."""

    verb: ClassVar[str] = "go_now"
    deployment: DeploymentId
    shown: str = ""


@dataclass(frozen=True, slots=True)
class AskLead(Command):
    """Somebody who may not roll back asks the lead to look."""

    verb: ClassVar[str] = "ask_lead"
    deployment: DeploymentId
    shown: str = ""


@dataclass(frozen=True, slots=True)
class TakeOver(Command):
    """The on-call person takes the lead, at once, with a reason."""

    verb: ClassVar[str] = "take_over"
    deployment: DeploymentId
    reason: str
    shown: str = ""


Commands = Mapping[str, type[Command]]
"""Commands by their verbs."""

COMMANDS: Commands = {
    command.verb: command
    for command in (
        Deploy, Check, Status, History, Cancel, Lock, Unlock, Locks,
        Quarantine, Unquarantine, SayLive, HandOver, Help, RollBack,
        Approve, Reject, Tick, Acknowledge, ConfirmPlan, Proceed,
        StopCountdown, SayWhy, Watch, OpenGate, Retest, DeployFirst, GoNow,
        AskLead, TakeOver,
    )
}  # fmt: skip


def to_json(command: Command) -> dict[str, Any]:
    """Write a command as JSON values with its verb."""
    return {
        "verb": command.verb,
        **{each.name: getattr(command, each.name) for each in fields(command)},
    }


def from_json(value: dict[str, Any], known: Commands) -> Command:
    """Read what ``to_json`` wrote; fields that a newer version added are left at their defaults."""
    kind = known[value["verb"]]
    names = {f.name for f in fields(kind)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items() if k in names}
    return kind(**given)
