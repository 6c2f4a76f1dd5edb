"""What Buildbot says about the tests of a commit, and how they are asked for again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, Quality
from bot.providers.ci.buildbot import reading
from bot.providers.ci.buildbot.builders import Builders, refusal
from bot.providers.ci.buildbot.client import BuildbotClient
from bot.providers.ci.buildbot.reading import told
from bot.providers.ci.buildbot.setup import Setup
from bot.providers.ci.verdicts import to_repeat, weigh

PAGE = 50
PAGES = 10
WAITING_TESTS = 20


class Tests:
    """The builds of the builder that tests commits, where one is named."""

    def __init__(self, setup: Setup, client: BuildbotClient, builders: Builders) -> None:
        self._setup = setup
        self._client = client
        self._builders = builders

    async def test_again(self, commit: str) -> CIRun:
        """Rebuild the builds of the commit's tests that failed; what is open is left to go on."""
        tests = self._setup.tests
        builder = await self._builders.number(tests) if tests else 0
        url = f"{self._setup.url}/#/builders/{builder}"
        if tests and await self._is_awaited(builder, commit):
            return CIRun(tests, RunState.RUNNING, url)
        found = await self._tested(builder, commit) if tests else {}
        if not found:
            raise refusal(
                f"Buildbot has no build of the tests of {commit[:10]} that could be "
                "repeated. Force one in Buildbot."
            )
        for each in to_repeat(map(reading.outcome, found.values())):
            if (
                await self._client.call(f"/builds/{found[each.name]['buildid']}", "rebuild", {})
                is None
            ):
                raise refusal(
                    f"Buildbot did not rebuild {tests} {each.name}. Rebuild it in Buildbot."
                )
        return CIRun(tests, RunState.QUEUED, url)

    async def quality(self, commit: str) -> Quality:
        """Tell what the newest build of the tests builder says about the commit;
        what is open is newer still.
        """
        tests = self._setup.tests
        if not tests:
            return Quality(
                QualityState.NONE, "no builder is named that tests commits; set the option tests"
            )
        builder = await self._builders.number(tests)
        if await self._is_awaited(builder, commit):
            return Quality(
                QualityState.RUNNING,
                f"{tests} tests it, or will",
                f"{self._setup.url}/#/builders/{builder}",
            )
        found = await self._tested(builder, commit)
        if not found:
            return Quality(
                QualityState.NONE,
                f"{tests} has not tested it, or not among its newest {PAGE * PAGES} builds",
            )
        weighed = weigh(map(reading.outcome, found.values()))
        decides = found[max(weighed.deciding, key=lambda each: each.at).name]
        return reading.quality_of(tests, decides, self._builders.link(builder, decides))

    async def _tested(self, builder: int, commit: str) -> dict[str, Mapping[str, Any]]:
        """Give the builds of a commit by their numbers: of the newest page that has
        some, and the one before it.
        """
        found: dict[str, Mapping[str, Any]] = {}
        for page in range(PAGES):
            builds = await self._client.read(
                f"/builders/{builder}/builds",
                order="-number",
                limit=str(PAGE),
                offset=str(page * PAGE),
                property="*",
            )
            is_enough = bool(found)
            found |= {str(build["number"]): build for build in builds if is_of(build, commit)}
            if is_enough or len(builds) < PAGE:
                break
        return found

    async def _is_awaited(self, builder: int, commit: str) -> bool:
        """Tell whether an open request is for the commit: a build has no
        properties yet when it begins.
        """
        path = f"/builders/{builder}/buildrequests"
        for request in await self._client.read(
            path, complete="false", order="-buildrequestid", limit=str(WAITING_TESTS)
        ):
            if commit in await self._revisions(request["buildsetid"]):
                return True
        return False

    async def _revisions(self, buildset: int) -> list[str]:
        found = await self._client.read(f"/buildsets/{buildset}")
        return [
            str(stamp.get("revision")) for each in found for stamp in each.get("sourcestamps", ())
        ]


def is_of(build: Mapping[str, Any], commit: str) -> bool:
    """Tell whether a build worked on a commit: what it got counts, and what it was asked for
    until it has got something.
    """
    got = told(build.get("properties"), "got_revision") or told(build.get("properties"), "revision")
    return commit in got.values() if isinstance(got, dict) else got == commit
