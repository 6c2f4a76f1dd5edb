"""How each command is written: for help, the reference, completion, and for the nearest
match to a mistyped word.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.domain.near import near

NOT_YET = frozenset(
    {
        "diff",
        "hold",
        "resume",
        "freeze",
        "thaw",
        "freezes",
        "queue",
        "train",
        "oncall",
        "window",
        "dora",
        "flags",
        "passport",
    }
)
"""Commands that are planned and said to be so."""


LIST = "/deploy help lists all commands."


@dataclass(frozen=True, slots=True)
class Usage:
    """How one command is written. ``syntax`` begins with the slash command, ``/deploy`` or
    ``/rollback``.
    """

    syntax: str
    sentence: str
    examples: tuple[str, ...]

    @property
    def slash(self) -> str:
        """Name the slash command that it is typed after, without the slash."""
        return self.syntax.split()[0].removeprefix("/")

    @property
    def verb(self) -> str:
        """Name the command as people call it."""
        second = self.syntax.split()[1]
        return second if second.islower() else self.slash

    @property
    def takes_reason(self) -> bool:
        """Tell whether it may be said why."""
        return "because" in self.syntax


MEANT = {
    "undo": "rollback", "revert": "rollback", "back": "rollback",
    "abort": "cancel", "stop": "cancel", "ship": "deploy",
    "release": "deploy", "promote": "deploy", "ls": "status",
    "list": "status", "log": "history", "who": "lead", "owner": "lead",
    "gates": "check", "ready": "check", "commands": "help",
}  # fmt: skip
"""What other tools call our commands."""


def nearest(word: str, known: Collection[str]) -> tuple[str, ...]:
    """Name the commands that somebody probably meant, also by what other tools call them."""
    meant = MEANT.get(word.lower(), "")
    return (meant,) if meant in known else near(word, known)
