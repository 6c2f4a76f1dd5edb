"""Writing a command as the text that reads back as itself (see ``grammar``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.domain.commands import (
    Cancel,
    Check,
    Command,
    Deploy,
    HandOver,
    Help,
    History,
    Lock,
    Locks,
    Quarantine,
    Retest,
    RollBack,
    SayLive,
    Status,
    Unlock,
    Unquarantine,
)
from bot.domain.grammar import QUOTES, OpenForm
from bot.domain.usage import NOT_YET, VERBS


def words(command: Command) -> str:
    """Write a typed command as the text that reads back as itself (without the slash
    command), in Slack's markup.
    """
    return " ".join(part for part in _WRITERS[type(command)](command) if part)


def _because(reason: str) -> str:
    if not reason:
        return ""
    quoted = f'"{reason}"' if reason[0] in QUOTES + ":" else reason
    return "because " + quoted.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _of_deploy(it: Deploy) -> list[str]:
    explicit = "deploy" if it.service in VERBS | NOT_YET else ""
    lead = f"lead <@{it.lead}>" if it.lead else ""
    strategy = f"with {it.strategy}" if it.strategy else ""
    return [explicit, it.service, it.ref, "to", it.environment, strategy, lead, _because(it.reason)]


def _of_lock(it: Lock) -> list[str]:
    for_long = f"for {it.seconds // 60}m" if it.seconds else ""
    return ["lock", it.service or "all", it.environment, for_long, _because(it.reason)]


def _of_rollback(it: RollBack) -> list[str]:
    return [
        it.service,
        f"in {it.environment}" if it.environment else "",
        f"to {it.ref}" if it.ref else "",
        _because(it.reason),
    ]


_WRITERS: Mapping[type[Command], Callable[..., list[str]]] = {
    OpenForm: lambda _: [],
    Deploy: _of_deploy,
    Check: lambda it: ["check", it.service, it.ref, "to", it.environment],
    Status: lambda it: ["status", it.service],
    History: lambda it: ["history", it.service, it.environment],
    Cancel: lambda it: ["cancel", it.deployment],
    Retest: lambda it: ["retest", it.deployment],
    Lock: _of_lock,
    Unlock: lambda it: ["unlock", it.service or "all", it.environment],
    Locks: lambda _: ["locks"],
    HandOver: lambda it: ["lead", it.deployment, f"<@{it.to}>"],
    Quarantine: lambda it: ["quarantine", it.service, it.ref, _because(it.reason)],
    Unquarantine: lambda it: ["unquarantine", it.service, it.ref, _because(it.reason)],
    SayLive: lambda it: ["live", it.service, it.environment, "is", it.ref, _because(it.reason)],
    Help: lambda it: ["help", it.topic],
    RollBack: _of_rollback,
}
