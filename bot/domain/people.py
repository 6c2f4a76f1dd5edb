"""People: who somebody is. What they may do is decided in ``authority``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """Somebody in a workspace. Both halves count: the same user id in another
    workspace is somebody else.
    """

    team: str
    user: str

    def __str__(self) -> str:
        return f"{self.team}/{self.user}"

    @property
    def mention(self) -> str:
        """Write them into a sentence of ours: somebody of Slack as Slack mentions people, the bot
        and people of the terminal by name.
        """
        if self == GONOGO:
            return "Go/No-Go"
        return f"<@{self.user}>" if self.team[:1] in {"T", "E"} else self.user or "nobody"

    @classmethod
    def parse(cls, text: str) -> Person:
        """Read what ``str(person)`` wrote."""
        team, _, user = text.partition("/")
        return cls(team, user)


GONOGO = Person("", "gonogo")
"""The bot itself, where it acts by rule and not on somebody's word."""
