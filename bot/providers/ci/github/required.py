"""Which checks must have passed before the tests of a commit count as green: the option ``checks``.

GitHub lists the checks of a commit, not those that are still to come: where another tool reports
late, the first green one would do. https://docs.github.com/rest/repos/rules, "Get rules for a
branch", and .../branches, "Get a branch", whose answer names the checks of the older kind of
protection; both need no more than to read the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from bot.domain.errors import IntegrationError
from bot.providers.ci.github.client import Repository, escaped
from bot.providers.exchange import RestError

BY_RULES = "required"
"""The word of the option that stands for what the rules of the default branch require."""
PAGES = 10
_NOT_THERE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN})
"""An older GitHub Enterprise Server, and a private repository of a plan without rules."""


class Required:
    """The required checks of one repository: those that the option names, or those of the rules."""

    def __init__(
        self, repository: Repository, names: Sequence[str] = (), *, alone: bool = False
    ) -> None:
        self._repository = repository
        self._names = tuple(names)
        self.alone = alone
        """Whether no other check counts."""

    @property
    def by_rules(self) -> bool:
        """Tell whether the rules of the default branch decide."""
        return self._names == (BY_RULES,)

    async def names(self) -> tuple[str, ...]:
        """Name them. Raises IntegrationError where the rules should decide and require nothing."""
        if not self.by_rules:
            return self._names
        branch = await self._repository.default_branch()
        found = [*await self._of_rulesets(branch), *await self._of_protection(branch)]
        if not found:
            sentence = (
                f"checks: {BY_RULES} is set, and no rule of {branch} at GitHub requires a check. "
                "Name the checks in gonogo.yaml."
            )
            raise IntegrationError(sentence, vendor="GitHub", retry=False)
        return tuple(dict.fromkeys(found))

    async def _of_rulesets(self, branch: str) -> list[str]:
        try:
            rules = await self._repository.all(f"/rules/branches/{escaped(branch)}", limit=PAGES)
        except RestError as error:
            if error.status not in _NOT_THERE or error.retry:
                raise
            return []
        checks = [rule["parameters"] for rule in rules if rule["type"] == "required_status_checks"]
        return [
            str(each["context"]) for check in checks for each in check["required_status_checks"]
        ]

    async def _of_protection(self, branch: str) -> list[str]:
        protection = (await self._repository.get(f"/branches/{escaped(branch)}")).data.get(
            "protection"
        ) or {}
        return [
            str(name)
            for name in (protection.get("required_status_checks") or {}).get("contexts") or ()
        ]
