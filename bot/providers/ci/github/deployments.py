"""GitHub's own list of deployments, at the exact commit: a courtesy to people who look there. It
never fails or holds up a run.

https://docs.github.com/rest/deployments. A workflow's job with ``environment:`` makes one too, but
at the tip of the branch.
"""

from __future__ import annotations

from collections import OrderedDict
from http import HTTPStatus
from typing import Any

import structlog

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, StartRequest
from bot.providers.ci.github import reading
from bot.providers.ci.github.client import Repository

log = structlog.get_logger(__name__)

DESCRIPTION = 140
"""How long a description may be."""
REMEMBERED = 64
_ANNOUNCED = frozenset({"deploy", "rollback"})
_NO_RIGHT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_STATES = {
    RunState.QUEUED: "queued",
    RunState.RUNNING: "in_progress",
    RunState.WAITING: "pending",
    RunState.SUCCEEDED: "success",
    RunState.FAILED: "failure",
}


class Deployments:
    """The deployments of one repository. ``on`` is the option ``deployments``;
    ``repository`` should give up quickly.
    """

    def __init__(self, repository: Repository, *, on: bool) -> None:
        self._repository = repository
        self._on = on
        self._known: OrderedDict[str, tuple[int | None, str]] = OrderedDict()
        """By run: the deployment, None for none, and the state that was last told."""

    async def announce(self, request: StartRequest, run: CIRun) -> None:
        """Create the deployment of a run that has just been started."""
        if not self._on or request.action not in _ANNOUNCED:
            self._remember(run.id, None, "")
            return
        self._remember(run.id, None, "")
        try:
            with reading.understood():
                made = await self._repository.send(
                    "POST", "/deployments", announcement(request, run.id)
                )
                self._remember(run.id, int(made.data["id"]), "")
        except IntegrationError as error:
            self._give_up(error)
            return
        await self.report(run)

    async def report(self, run: CIRun) -> None:
        """Tell how a run stands, once per state."""
        if not self._on:
            return
        try:
            with reading.understood():
                await self._report(run)
        except IntegrationError as error:
            self._give_up(error)

    async def _report(self, run: CIRun) -> None:
        if run.id not in self._known:
            self._remember(run.id, await self._find(run.id), "")  # the bot was restarted
        deployment, told = self._known[run.id]
        state = _STATES.get(run.state, "error")
        if deployment is None or state == told:
            return
        self._remember(run.id, deployment, state)
        status = {
            "state": state,
            "log_url": run.url,
            "description": run.sentence[:DESCRIPTION],
            "auto_inactive": False,
        }
        await self._repository.send("POST", f"/deployments/{deployment}/statuses", status)

    async def _find(self, run: str) -> int | None:
        newest = (await self._repository.get("/deployments", {"per_page": "100"})).data
        mine = (
            int(each["id"])
            for each in newest
            if isinstance(each.get("payload"), dict) and each["payload"].get("run") == run
        )
        return next(mine, None)

    def _remember(self, run: str, deployment: int | None, told: str) -> None:
        self._known[run] = (deployment, told)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _give_up(self, error: IntegrationError) -> None:
        if error.status in _NO_RIGHT:
            self._on = False  # until the bot is started again
        log.warning(
            "GitHub's list of deployments was not kept",
            repository=self._repository.name,
            why=str(error),
            goes_on=self._on,
        )


def announcement(request: StartRequest, run: str) -> dict[str, Any]:
    """Describe a deployment at the exact commit. GitHub must neither merge anything into it nor
    judge its checks: we have.
    """
    told = {
        name: request.inputs[name]
        for name in ("version", "percent", "strategy", "deployment")
        if name in request.inputs
    }
    percent = f", {told['percent']} %" if told.get("percent") else ""
    return {
        "ref": request.commit,
        "task": request.action,
        "environment": request.environment,
        "auto_merge": False,
        "required_contexts": [],
        "description": f"{told.get('version') or request.commit[:10]}{percent}"[:DESCRIPTION],
        "payload": {"correlation": request.correlation, "run": run, **told},
    }
