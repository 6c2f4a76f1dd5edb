"""The CI of a conversation as a real Buildbot: where none is installed, the
conversation is skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bot.providers.ci.buildbot.kind import PASSWORD, USER
from tests.providers.ci import buildbot_server
from tests.providers.ci.buildbot_lab import Break, Line
from tests.providers.ci.buildbot_server import LENT, Server

FOR_LONG = 10_000
SCRIPT = """
case "$1" in
  release) echo "$GONOGO_COMMIT $GONOGO_PERCENT" >> '{record}' ;;
  smoke) ! grep -q "^$GONOGO_ENVIRONMENT $GONOGO_COMMIT" '{broken}' ;;
esac
"""


class OnBuildbot:
    """A real Buildbot, and a line to it that can be cut."""

    name = "buildbot"

    def __init__(self, server: Server, line: Line, url: str, folder: Path) -> None:
        self.server = server
        self.wire = line
        self.repository = folder / "storefront"
        self.record = folder / "record"
        self.broken = folder / "broken"
        self.broken.touch()
        server.lend(self.repository, SCRIPT.format(record=self.record, broken=self.broken))
        self.secrets: Mapping[str, str] = {
            USER: buildbot_server.USER,
            PASSWORD: buildbot_server.PASSWORD,
        }
        self.line = (
            f"{{provider: buildbot, url: '{url}', builder: deploy-{LENT}, scheduler: "
            f"deploy-{LENT}, tests: test-{LENT},"
            f" repository: {self.repository}}}"
        )

    def learn(self, version: str, commit: str) -> None:
        assert version
        self.server.tested(f"test-{LENT}", commit)

    def fail_smoke(self, commit: str, environment: str) -> None:
        with self.broken.open("a") as broken:
            broken.write(f"{environment} {commit}\n")

    def started(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []

    def go_away(self) -> None:
        self.repository.rename(self.repository.with_name("away"))
        self.wire.breaks.append(Break("503", "", FOR_LONG))

    def come_back(self) -> None:
        self.repository.with_name("away").rename(self.repository)
        self.wire.breaks.clear()


@asynccontextmanager
async def buildbot(folder: Path) -> AsyncIterator[OnBuildbot]:
    """Give this process's Buildbot; what the conversation leaves in it is stopped."""
    server = buildbot_server.shared()
    line = Line(server.url)
    async with line.open() as url:
        try:
            yield OnBuildbot(server, line, url, folder)
        finally:
            await asyncio.to_thread(server.clear)
