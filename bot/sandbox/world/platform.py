"""The platform that the storefront's pipeline deploys to: staging and production on 127.0.0.1,
with a small HTTP interface.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

import aiohttp
from aiohttp import web

from bot.sandbox.world.environment import SLOTS, Environment
from bot.sandbox.world.release import PlatformError

ENVIRONMENTS = ("staging", "production")


class Platform:
    """Two environments behind one port.

    Deploy with ``POST /{environment}/deploy``; customers come to ``/{environment}/site/``; one
    version alone answers at ``/{environment}/release/{commit}/``; metrics stand at
    ``/{environment}/metrics/{slot}``, also before anything runs.
    """

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_urlsafe(24)
        """Who deploys must know it: any page in a browser can reach this machine's ports."""
        self.environments: dict[str, Environment] = {}
        self.url = ""
        self._folder = folder
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.environments = {
            name: Environment(name, self._folder, self._session) for name in ENVIRONMENTS
        }
        application = web.Application()
        application.add_routes(
            [
                web.post("/{environment}/deploy", self._deploy),
                web.get("/{environment}/metrics/{slot}", self._metrics),
                web.route("*", "/{environment}/site/{path:.*}", self._site),
                web.get("/{environment}/release/{commit}/{path:.*}", self._release),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop listening, and everything that runs."""
        if self._runner is not None:
            await self._runner.cleanup()
        for environment in self.environments.values():
            await environment.close()
        if self._session is not None:
            await self._session.close()

    def metrics_of(self, environment: str) -> list[str]:
        """List the addresses at which an environment's metrics stand."""
        return [f"{self.url}/{environment}/metrics/{slot}" for slot in SLOTS]

    def _environment(self, request: web.Request) -> Environment:
        found = self.environments.get(request.match_info["environment"])
        if found is None:
            raise web.HTTPNotFound(text="There is no such environment.\n")
        return found

    async def _deploy(self, request: web.Request) -> web.Response:
        environment = self._environment(request)
        if not hmac.compare_digest(
            request.headers.get("Authorization", "").encode(), f"Bearer {self.token}".encode()
        ):
            raise web.HTTPForbidden(text="Deployments need the platform's token.\n")
        wanted = await request.json()
        try:
            done = await environment.deploy(
                str(wanted["commit"]),
                str(wanted["version"]),
                int(wanted["percent"]),
                Path(wanted["source"]),
            )
        except PlatformError as error:
            raise web.HTTPConflict(text=f"{error}\n") from error
        return web.Response(text=f"{done}\n")

    async def _site(self, request: web.Request) -> web.Response:
        environment = self._environment(request)
        return await environment.forward(request, environment.choose(), request.match_info["path"])

    async def _release(self, request: web.Request) -> web.Response:
        environment = self._environment(request)
        slot = environment.slot_of(request.match_info["commit"])
        return await environment.forward(
            request, environment.slots[slot] if slot else None, request.match_info["path"]
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        environment = self._environment(request)
        return await environment.forward(
            request, environment.slots.get(request.match_info["slot"]), "metrics"
        )
