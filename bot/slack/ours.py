"""Whether a payload is for us: our workspace, our organisation, our app. One rule for HTTP
and Socket Mode. No I/O.

In an Enterprise Grid a payload may name no workspace (``team: null``): then the
organisation counts, and whoever is named by it is a person of our workspace, whose rights
are looked up by their id as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class WhoWeAre(Protocol):
    """Who we are, as it is known when a payload comes."""

    async def about(self, payload: Mapping[str, Any]) -> Ours:
        """Say who we are, for a payload."""
        ...


@dataclass(frozen=True, slots=True)
class Ours:
    """Who we are. ``app`` and ``enterprise`` are empty where they are not known; then
    they are not asked about. ``lacks`` names those that Slack has not said yet: an ``enterprise``
    that it has said to be none is known.
    """

    team: str
    app: str = ""
    enterprise: str = ""
    lacks: frozenset[str] = frozenset()

    async def about(self, payload: Mapping[str, Any]) -> Ours:  # noqa: ARG002 - all is known
        """Say who we are, for a payload."""
        return self

    def is_undecided(self, payload: Mapping[str, Any]) -> bool:
        """Tell whether a payload is refused only because Slack has not said which organisation is
        ours.
        """
        named = _organisations(payload)
        if "enterprise" not in self.lacks or not named or self.strange(payload) != "team":
            return False
        return not Ours(self.team, enterprise=str(named[0])).strange(payload)

    def strange(self, payload: Mapping[str, Any]) -> str:
        """Name what is not ours about a payload, ``team`` or ``app``; empty when it is for us."""
        if not self._is_of_team(payload):
            return "team"
        return "app" if self.app and payload.get("api_app_id") != self.app else ""

    def settled(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Give a payload in which somebody who is known by the organisation
        belongs to our workspace.
        """
        user = payload.get("user")
        if self.enterprise and not isinstance(user, dict):  # a command, or an event
            return {**payload, "team_id": payload.get("team_id") or self.team}
        if (
            not self.enterprise
            or not isinstance(user, dict)
            or (user.get("team_id") or self.enterprise) != self.enterprise
        ):
            return payload
        return {
            **payload,
            "team": payload.get("team") or {"id": self.team},
            "user": {**user, "team_id": self.team},
        }

    def _is_of_team(self, payload: Mapping[str, Any]) -> bool:
        named = [
            each
            for each in (payload.get("team_id"), _of(payload, "team", "id"))
            if each not in (None, "")
        ]
        if named:
            return all(each == self.team for each in named)
        if _of(payload, "user", "team_id") == self.team:
            return True
        organisations = _organisations(payload)
        return bool(self.enterprise and organisations) and all(
            each == self.enterprise for each in organisations
        )


def _organisations(payload: Mapping[str, Any]) -> list[object]:
    named = (payload.get("enterprise_id"), _of(payload, "enterprise", "id"))
    return [each for each in named if each not in (None, "")]


def _of(payload: Mapping[str, Any], name: str, key: str) -> object:
    value = payload.get(name)
    return value.get(key) if isinstance(value, dict) else None
