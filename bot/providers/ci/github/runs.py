"""The runs of the workflow that deploys: start once, find, look, cancel."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from weakref import WeakValueDictionary

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, GateAnswer, StartRequest
from bot.providers.ci.github import reading, workflow
from bot.providers.ci.github.client import Repository, escaped
from bot.providers.ci.github.deployments import Deployments
from bot.providers.ci.github.protection import Gate, Protection
from bot.providers.ci.starts import Attempt, Starts
from bot.providers.exchange import Reply, RestError

VENDOR = "GitHub"
RUNS = 20
"""How many pages of 100 runs are read for that."""
JOBS = 10
REMEMBERED = 256
"""How many finished runs are remembered, so that what was final stays final when
somebody runs it again by hand.
"""
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between looks for a run that GitHub took without naming it."""


class Runs:
    """The runs of one workflow of one repository."""

    def __init__(
        self,
        repository: Repository,
        workflow: str,
        starts: Starts,
        deployments: Deployments,
        protection: Protection,
        *,
        service: str,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._repository = repository
        self._workflow = workflow
        self._service = service
        self._starts = starts
        self._deployments = deployments
        self._protection = protection
        self._pauses = pauses
        self._starting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._gives_details = True
        self._final: OrderedDict[str, CIRun] = OrderedDict()

    async def find(self, correlation: str) -> CIRun | None:
        """Find the run of an intent; None is certain, and what is not certain raises.

        The run that GitHub named is ours, whatever else carries the title. Else GitHub's
        list is searched, also when we know of no start: our database may be one that was
        restored from before it.
        """
        attempt = await self._starts.of(correlation)
        if attempt.run:
            return await self.look(attempt.run)
        run = await self._search(correlation, attempt)
        if run:
            await self._starts.became(correlation, run)
        return await self.look(run) if run else None

    async def _search(self, correlation: str, attempt: Attempt) -> str:
        """Give the run that carries the correlation in its title; "" is certain."""
        found, whole = await self._titled(correlation, attempt)
        branch = (
            (await self._repository.ref()).removeprefix("refs/heads/").removeprefix("refs/tags/")
        )
        ours = [run for run, on in found.items() if on == branch]
        if len(ours) > 1:
            raise _twins(correlation, ours)
        if ours:
            return ours[0]
        if attempt.is_unsent:
            return ""
        await self._make_sure(correlation, attempt, whole=whole)
        if found:
            raise _elsewhere(correlation, found, branch)
        return ""

    async def _titled(self, correlation: str, attempt: Attempt) -> tuple[dict[str, str], bool]:
        """Give the runs since the start that may be ours, each with its branch, and whether all
        runs were read that could.
        """
        path = f"/actions/workflows/{escaped(self._workflow)}/runs"
        since = self._starts.reach(attempt)
        found: dict[str, str] = {}
        listed = 0
        async for reply in self._repository.pages(path, key="workflow_runs", limit=RUNS):
            runs: list[Any] = reply.data["workflow_runs"]
            recent = [run for run in runs if not _is_older(run, reply, since)]
            found |= {
                str(run["id"]): str(run.get("head_branch"))
                for run in recent
                if reading.may_be_ours(run, correlation)
            }
            listed += len(runs)
            if len(recent) < len(runs):
                return found, True
        return found, listed < RUNS * 100

    async def _make_sure(self, correlation: str, attempt: Attempt, *, whole: bool) -> None:
        """Raise unless it is certain that there is no run."""
        if not (await workflow.read(self._repository, self._workflow)).names_runs:
            sentence = (
                f"GitHub named no run for the start of {correlation}, and run-name in "
                f"{self._workflow} does not hold inputs.correlation: "
                "it cannot be told whether it runs. Look at GitHub, and take the run-name of our "
                "template into the workflow."
            )
            raise _cannot_tell(sentence, retry=False)
        if attempt.taken or not whole or not self._starts.has_settled(attempt):
            taken = "took the start" if attempt.taken else "gave no answer to the start"
            raise _cannot_tell(
                f"GitHub {taken} of {correlation} and does not show the run yet. It is looked for "
                "again; nothing starts twice."
            )

    async def start(self, request: StartRequest) -> CIRun:
        """Start a run, or return the one that this intent has started already."""
        one_at_a_time = self._starting.setdefault(request.correlation, asyncio.Lock())
        async with one_at_a_time:  # per intent: a rollback does not wait for a start that hangs
            known = await self.find(request.correlation)
            if known is not None:
                return known
            run = await self._begin(request)
            await self._deployments.announce(request, run)
            return run

    async def _begin(self, request: StartRequest) -> CIRun:
        await self._starts.send(request)
        try:
            reply = await self._dispatch(request)
        except RestError as error:
            if not error.perhaps_done:
                await self._starts.refused(request.correlation)
                raise
            await self._starts.unanswered(request.correlation, error.status)
            return await self._settle(request.correlation, ())
        if reply.data is None:  # 204: GitHub Enterprise Server up to 3.19 does not name the run
            await self._starts.taken(request.correlation)
            return await self._settle(request.correlation, self._pauses)
        run = str(reply.data["workflow_run_id"])
        await self._starts.became(request.correlation, run)
        return await self._see(run)

    async def _dispatch(self, request: StartRequest) -> Reply:
        """Send the start. What GitHub refuses with 422 was not started, so it may be
        put right and sent again.
        """
        try:
            return await self._send(request)
        except RestError as error:
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or not self._put_right(str(error)):
                raise
        return await self._send(request)

    async def _send(self, request: StartRequest) -> Reply:
        path = f"/actions/workflows/{escaped(self._workflow)}/dispatches"
        body: dict[str, Any] = {
            "ref": await self._repository.ref(),
            "inputs": inputs(request, self._service),
        }
        if self._gives_details:
            body["return_run_details"] = True
        return await self._repository.send("POST", path, body)

    def _put_right(self, complaint: str) -> bool:
        """Change what GitHub complains of, and tell whether there was anything to change."""
        if "return_run_details" in complaint and self._gives_details:
            # an older GitHub Enterprise Server
            self._gives_details = False
            return True
        # the default branch was renamed
        return "No ref found" in complaint and self._repository.forget_branch()

    async def _settle(self, correlation: str, pauses: Sequence[float]) -> CIRun:
        """Find a run that was perhaps started; as often as there are pauses, and once more."""
        for pause in pauses:
            try:
                found = await self.find(correlation)
            except IntegrationError as error:
                if not error.retry:
                    raise
                found = None
            if found is not None:
                return found
            await asyncio.sleep(pause)
        found = await self.find(correlation)
        if found is None:
            raise _cannot_tell(
                f"GitHub does not show the run of {correlation}. It is looked for "
                "again; nothing starts twice."
            )
        return found

    async def look(self, run: str) -> CIRun:
        """See where a run stands; its jobs are the stages."""
        if run in self._final:
            return self._final[run]
        seen = await self._see(run)
        await self._deployments.report(seen)
        return seen

    async def _see(self, run: str) -> CIRun:
        data = (await self._repository.get(f"/actions/runs/{_checked(run)}")).data
        jobs = await self._repository.all(
            f"/actions/runs/{run}/jobs", {"filter": "latest"}, key="jobs", limit=JOBS
        )
        gate = await self._protection.meet(data) if data.get("status") == "waiting" else Gate()
        seen = replace(
            reading.run(data, jobs, waits_for=gate.sentence, passable=gate.passable),
            asks_back=gate.asks_back,
        )
        if seen.state.is_final:
            self._final[run] = seen
            while len(self._final) > REMEMBERED:
                self._final.popitem(last=False)
        return seen

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        """Let a run go on that waits at our protection rule for this environment; one that does
        not wait is left as it is.
        """
        seen = await self.look(run)
        if seen.state is not RunState.WAITING:
            return self._protection.past(run, environment)
        return await self._protection.open(
            (await self._repository.get(f"/actions/runs/{run}")).data, environment, seen.sentence
        )

    async def cancel(self, run: str) -> None:
        """Ask a run to stop. GitHub answers before it has stopped; 409 says
        that it had ended already.

        GitHub is asked afresh: a run that had ended may have been run again by a person.
        """
        if await self._has_ended(run):
            return
        try:
            await self._repository.send("POST", f"/actions/runs/{run}/cancel", repeatable=True)
        except RestError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            if not await self._has_ended(run):
                raise _cannot_tell(
                    f"GitHub would not cancel run {run} at this moment; ask again."
                ) from error

    async def _has_ended(self, run: str) -> bool:
        data = (await self._repository.get(f"/actions/runs/{_checked(run)}")).data
        return reading.run(data).state.is_final


def inputs(request: StartRequest, service: str) -> dict[str, str]:
    """Give what the workflow gets. GitHub refuses inputs that the workflow does not declare, so
    an empty one is not sent.
    """
    ours = {
        "action": request.action, "environment": request.environment, "commit": request.commit,
        "correlation": request.correlation, "asked_by": request.asked_by, "service": service,
    }  # fmt: skip
    return {name: value for name, value in {**request.inputs, **ours}.items() if value}


def _checked(run: str) -> str:
    if not run.isascii() or not run.isdecimal():
        raise IntegrationError(
            f'GitHub has no run "{run[:80]}".',
            vendor=VENDOR,
            status=HTTPStatus.NOT_FOUND,
            retry=False,
        )
    return run


def _twins(correlation: str, found: Collection[str]) -> IntegrationError:
    numbers = ", ".join(sorted(found))
    return _cannot_tell(
        f"{len(found)} runs at GitHub carry {correlation} ({numbers}), so it cannot "
        "be told which one counts. "
        "Delete the wrong one at GitHub, or stop here.",
        retry=False,
    )


def _elsewhere(correlation: str, found: Mapping[str, str], branch: str) -> IntegrationError:
    listed = ", ".join(f"{run} on {on}" for run, on in sorted(found.items()))
    return _cannot_tell(
        f"GitHub gave no run for the start of {correlation} on {branch}, and shows another that "
        f"carries its name ({listed}). "
        "The bot did not start that one: stop it and delete it at GitHub, or stop here.",
        retry=False,
    )


def _is_older(run: Any, reply: Reply, age: timedelta) -> bool:
    """Tell by GitHub's own clock whether a run was created longer ago than that."""
    try:
        now = parsedate_to_datetime(reply.headers.get("date", ""))
        return now.astimezone(UTC) - datetime.fromisoformat(run["created_at"]) > age
    except (TypeError, ValueError, KeyError):
        return False


def _cannot_tell(sentence: str, *, retry: bool = True) -> IntegrationError:
    return IntegrationError(sentence, vendor=VENDOR, retry=retry)
