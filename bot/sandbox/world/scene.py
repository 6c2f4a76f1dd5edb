"""The world as one thing to start and to stop."""

from __future__ import annotations

import asyncio
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bot.sandbox.world.load import Load
from bot.sandbox.world.platform import Platform
from bot.sandbox.world.repository import make_repository

CUSTOMERS = {"staging": 25.0, "production": 120.0}
"""Requests a second."""
SIGNED_IN = {"staging": 0.0, "production": 0.95}
"""The share of customers who are signed in; those of staging are a script that never signs in."""


class World:
    """Start it, ``bootstrap`` what is live, and point the bot at ``repository``,
    ``stage_environment`` and ``metrics_of``.
    """

    def __init__(self, folder: Path, *, customers: Mapping[str, float] | None = None) -> None:
        self.repository = folder / "storefront"
        self.commits: dict[str, str] = {}
        """The commits by tag."""
        self.platform = Platform(folder / "releases")
        self._folder = folder
        self._customers = CUSTOMERS if customers is None else customers
        self._loads: list[Load] = []

    @property
    def stage_environment(self) -> dict[str, str]:
        """What a stage of the pipeline needs to know."""
        return {
            "PYTHON": sys.executable,
            "PLATFORM_URL": self.platform.url,
            "PLATFORM_TOKEN": self.platform.token,
        }

    async def start(self) -> None:
        """Make the repository and open the platform."""
        self.commits = await make_repository(self.repository)
        await self.platform.start()

    async def bootstrap(self, live: Mapping[str, str]) -> None:
        """Bring versions up by environment, as if they had been there for long,
        and let the customers come.
        """
        await asyncio.gather(
            *(self._bring_up(environment, version) for environment, version in live.items())
        )
        for environment, per_second in self._customers.items():
            load = Load(
                f"{self.platform.url}/{environment}/site",
                per_second=per_second,
                signed_in=SIGNED_IN[environment],
            )
            self._loads.append(load)
            await load.start()

    async def _bring_up(self, environment: str, version: str) -> None:
        source = await self.files_of(version)
        await self.platform.environments[environment].deploy(
            self.commits[version], version, 100, source
        )

    async def files_of(self, version: str) -> Path:
        """Give a folder with the files of a version."""
        folder = self._folder / "sources" / version
        if not await asyncio.to_thread(folder.exists):
            process = await asyncio.create_subprocess_exec(
                "git",
                "archive",
                "--format=zip",
                version,
                cwd=self.repository,
                stdout=asyncio.subprocess.PIPE,
            )
            archive, _ = await process.communicate()
            await asyncio.to_thread(_unpack, archive, folder)
        return folder

    async def close(self) -> None:
        """Send the customers home and stop everything."""
        for load in self._loads:
            await load.close()
        await self.platform.close()


def _unpack(archive: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(folder)
