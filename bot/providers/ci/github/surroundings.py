"""What stands beside a commit's tests: the open alerts of the default branch, and the reviews of
the commit's pull request.

https://docs.github.com/rest (code scanning, Dependabot alerts, commits, pull request reviews). They
are facts for people; only critical alerts can block, and only where the option ``alerts`` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.ports.ci import Quality
from bot.providers.ci.github import facts, reading
from bot.providers.ci.github.client import PAGE, Repository, entries, escaped

PAGES = 10
"""How many pages of 100 alerts of code scanning are counted, and as many of reviews."""
_NOT_AVAILABLE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_SERIOUS = ("critical", "high")
_DECIDES = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
"""A comment leaves a reviewer's earlier word as it is."""


class Policy(StrEnum):
    """The option ``alerts``."""

    SHOW = "show"
    BLOCK = "block"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence about a commit's surroundings; without words it is not available."""

    name: str
    words: str = ""
    critical: bool = False


class Surroundings:
    """The surroundings of the commits of one repository. Where nothing blocks,
    ``repository`` should give up quickly.
    """

    def __init__(self, repository: Repository, policy: Policy) -> None:
        self._repository = repository
        self._policy = policy

    @property
    def blocks(self) -> bool:
        """Tell whether critical alerts block."""
        return self._policy is Policy.BLOCK

    async def beside(self, tests: Quality, commit: str) -> Quality:
        """Add what can be read to what the tests say. Raises IntegrationError only where alerts
        block and cannot be read.
        """
        if self._policy is Policy.OFF:
            return tests
        found = [await self._ask(name, ask) for name, ask in self._alerts()]
        self._refuse_blind(tests, found)
        found.append(await self._ask("pull request", lambda: self._reviews(commit)))
        return weighed(tests, found, blocks=self.blocks)

    def _refuse_blind(self, tests: Quality, found: list[Fact]) -> None:
        """Say that green cannot be known where alerts block and some of them may not be read: none
        is not the same as none seen.
        """
        unread = [fact.name for fact in found if not fact.words]
        if (
            self.blocks
            and unread
            and tests.state is QualityState.GREEN
            and not any(fact.critical for fact in found)
        ):
            sentence = (
                f"alerts: block is set, and GitHub does not show {' and '.join(unread)}: switched "
                "off there, or not permitted to the bot. "
                "Switch them on, give the permission, or set alerts: show."
            )
            raise IntegrationError(sentence, vendor=facts.VENDOR, retry=False)

    async def unavailable(self) -> list[str]:
        """Name the kinds of alerts that cannot be read. Raises IntegrationError
        when GitHub does not answer.
        """
        return [name for name, ask in self._alerts() if not (await self._ask(name, ask)).words]

    def _alerts(self) -> list[tuple[str, Callable[[], Awaitable[Fact]]]]:
        return [("code scanning", self._code), ("dependency alerts", self._dependencies)]

    async def _ask(self, name: str, ask: Callable[[], Awaitable[Fact]]) -> Fact:
        try:
            with reading.understood():
                return await ask()
        except IntegrationError as error:
            is_off = error.status in _NOT_AVAILABLE and not error.retry
            if self.blocks and not is_off:
                raise
            return Fact(name)

    async def _code(self) -> Fact:
        """Count by security severity, for which GitHub has no filter that
        its own description knows.
        """
        found: list[str] = []
        async for reply in self._repository.pages(
            "/code-scanning/alerts", {"state": "open"}, limit=PAGES
        ):
            found += [str(each["rule"].get("security_severity_level")) for each in reply.data]
        return alerts("code scanning", found, whole=len(found) < PAGES * PAGE)

    async def _dependencies(self) -> Fact:
        """Count the newest hundred of each severity: this list has cursors instead of pages,
        and a hundred says enough.

        Each is asked for alone, so that no number of high alerts hides a critical one.
        """
        found: list[str] = []
        whole = True
        for severity in _SERIOUS:
            asked = {"state": "open", "severity": severity, "per_page": str(PAGE)}
            listed = entries(await self._repository.get("/dependabot/alerts", asked))
            found += [str(each["security_vulnerability"]["severity"]) for each in listed]
            whole = whole and len(listed) < PAGE
        return alerts("dependency alerts", found, whole=whole)

    async def _reviews(self, commit: str) -> Fact:
        listed = await self._repository.all(f"/commits/{escaped(commit)}/pulls", limit=PAGES)
        pull = pull_of(listed, commit)
        if pull is None:
            return Fact("pull request", "no pull request leads to this commit")
        given = await self._repository.all(f"/pulls/{int(pull['number'])}/reviews", limit=PAGES)
        return Fact("pull request", f"pull request #{int(pull['number'])}: {reviews(given)}")


def alerts(name: str, severities: Iterable[str], *, whole: bool) -> Fact:
    """Say how many serious alerts are open."""
    counted = Counter(severities)
    serious = ", ".join(
        f"{counted[severity]} {severity}" for severity in _SERIOUS if counted[severity]
    )
    more = "" if whole else ", perhaps more"
    return Fact(
        name,
        f"{name}: {serious or 'nothing critical or high'}{more}",
        critical=counted["critical"] > 0,
    )


def pull_of(pulls: Iterable[Mapping[str, Any]], commit: str) -> Mapping[str, Any] | None:
    """Pick the pull request that brought a commit: the one that it merged, else one that is
    merged, else the newest.
    """

    def rank(pull: Mapping[str, Any]) -> tuple[bool, bool, int]:
        merged = bool(pull.get("merged_at"))
        return merged and pull.get("merge_commit_sha") == commit, merged, int(pull["number"])

    return max(pulls, key=rank, default=None)


def reviews(given: Iterable[Mapping[str, Any]]) -> str:
    """Say what the reviewers decided; of each the last word counts, and GitHub lists
    them in the order of time.
    """
    last: dict[str, str] = {}
    for review in given:
        if review["state"] in _DECIDES:
            last[str((review.get("user") or {}).get("login") or "somebody")] = str(review["state"])
    against = sorted(who for who, state in last.items() if state == "CHANGES_REQUESTED")
    if against:
        return f"changes asked for by {facts.listed(against)}"
    approved = sorted(who for who, state in last.items() if state == "APPROVED")
    return f"approved by {facts.listed(approved)}" if approved else "no approval"


def weighed(tests: Quality, found: Iterable[Fact], *, blocks: bool) -> Quality:
    """Put the facts behind what the tests say. Critical alerts make the whole
    red only where they block.
    """
    found = list(found)
    missing = [fact.name for fact in found if not fact.words]
    words = [fact.words for fact in found if fact.words] + (
        [f"not available: {', '.join(missing)}"] if missing else []
    )
    said = "; ".join([tests.sentence, *words])
    if blocks and any(fact.critical for fact in found):
        return replace(
            tests,
            state=QualityState.RED,
            sentence=f"critical alerts are open, and alerts: block is set; {said}",
        )
    return replace(tests, sentence=said)
