"""The pipelines of a project: by number, by the correlation id they carry, and their jobs."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Any

from bot.domain.errors import IntegrationError
from bot.providers.ci.gitlab import reading
from bot.providers.ci.gitlab.client import Object, Project
from bot.providers.ci.gitlab.reading import NAME, VENDOR
from bot.providers.ci.starts import Attempt
from bot.providers.exchange import RestError

REMEMBERED = 512
FORBIDDEN = (403, 404)


class Pipelines:
    """One project's pipelines. What a pipeline carries never changes, and is read once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._carried: OrderedDict[str, str] = OrderedDict()

    async def jobs(self, run: str) -> list[Object]:
        """Read a pipeline's jobs, retried ones too, and its bridges to other pipelines."""
        jobs = await self._project.pages("pipelines", run, "jobs", include_retried="true")
        return jobs + await self._project.pages("pipelines", run, "bridges")

    async def one(self, run: str) -> Object:
        """Read a pipeline. Raises IntegrationError when there is none."""
        if not reading.is_pipeline(run):
            raise IntegrationError(
                f'There is no pipeline "{run[:40]}".', vendor=VENDOR, status=404, retry=False
            )
        return await self._project.one("pipelines", run)

    async def of(self, correlation: str, attempt: Attempt, age: timedelta) -> list[str]:
        """List the ids of the pipelines of this ``age`` that carry a correlation id: by name, and
        among those without a name of ours.
        """
        by_name = await self._project.page(
            "pipelines", name=f"{NAME}{correlation}", order_by="id", sort="desc"
        )
        if attempt.is_unsent:
            # nothing says that it was sent: by its name, which the template
            # gives it, it would be found
            return sorted(
                {str(each.get("id")) for each in by_name if await self.carries(each) == correlation}
            )
        recent = await self._project.younger(
            age, "pipelines", source="api", order_by="id", sort="desc"
        )
        unnamed = [each for each in recent if not reading.named(each)]
        return sorted(
            {
                str(each.get("id"))
                for each in [*by_name, *unnamed]
                if await self.carries(each) == correlation
            }
        )

    async def carries(self, pipeline: Object) -> str:
        """Read the correlation id from a pipeline's variables; where we may not read them,
        the name is all there is.
        """
        run = str(pipeline.get("id"))
        if run not in self._carried:
            try:
                variables = await self._project.pages("pipelines", run, "variables")
            except RestError as error:
                if error.status not in FORBIDDEN:
                    raise
                return reading.named(pipeline)
            remember(self._carried, run, reading.correlation_of(variables))
        return self._carried[run]

    def know(self, run: str, correlation: str) -> None:
        """Hear what a pipeline carries that we have just started."""
        remember(self._carried, run, correlation)

    async def environment(self, run: str) -> str:
        """Read for which environment a pipeline was started, of which we know nothing ourselves;
        empty where we may not read that.
        """
        try:
            return reading.variable(
                await self._project.pages("pipelines", run, "variables"), "GONOGO_ENVIRONMENT"
            )
        except RestError as error:
            if error.status not in FORBIDDEN:
                raise
            return ""


def remember(memory: OrderedDict[str, Any], key: str, value: Any) -> None:
    """Keep a value in a memory of the newest."""
    memory[key] = value
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
