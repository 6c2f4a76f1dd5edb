"""The web application: which doors there are, and what is asked of the bot's condition at ``/readyz`` and ``/healthz``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from bot.domain.limits import SLACK
from bot.domain.workload import named
from bot.engine.journal import JournalEngine
from bot.ports.ci import CIProvider, RunHint
from bot.services import notices
from bot.services.auditing import AuditWatch
from bot.services.house import House
from bot.services.shared import SharedAnswers
from bot.slack.announcer import SlackAnnouncer
from bot.slack.render import Words
from bot.slack.socket import Socket
from bot.slack.standing import Standing
from bot.storage.condition import SqlCondition
from handlers.slack.guard import Guard, events_route
from handlers.slack.reception import Reception
from handlers.web.connections import counted
from handlers.web.figures import Figures, metrics_route
from handlers.web.health import Check, health_routes
from handlers.webhooks.ci import ci_route


@dataclass(frozen=True, slots=True)
class Condition:
    """What readiness asks; each answers with an empty text when all is well, else with what is wrong."""

    database: SqlCondition
    engine: JournalEngine
    announcer: SlackAnnouncer
    slack: Standing
    socket: Socket | None
    watch: AuditWatch
    words: Words
    missing: Callable[[], Sequence[str]]
    """Sentences about what this machine has not and a service needs."""

    def routes(self) -> list[web.RouteDef]:
        """Give the routes that tell it."""
        worrying: dict[str, Check] = {
            "audit log": _told(lambda: self.watch.problem),
            "blocked runs": self._blocked,
            "database": self.database.damage,
            "templates": _told(lambda: self.words.problem),
            "ci": _told(lambda: " ".join(self.missing())),
        }
        return health_routes(
            {"database": self.database.problem, "slack": self._slack},
            alive={"engine": _told(lambda: "" if self.engine.is_working else "the engine has stopped")},
            worrying=worrying,
            known={"database": self.database.known},
        )

    async def _blocked(self) -> str:
        return named((await self.database.workload()).blocked)

    async def _slack(self) -> str:
        if self.socket is not None and not await self.socket.is_connected():
            return "Socket Mode is not connected"
        return self.announcer.problem or await self.slack.problem()


def application(
    house: House, condition: Condition, guard: Guard, reception: Reception, answers: SharedAnswers, figures: Figures
) -> web.Application:
    """Make the application; Slack's door is there where requests can be verified."""

    async def wake(provider: str, hint: RunHint) -> bool:
        return await notices.wake(house.store, house.catalog, hint, provider=provider, forget=answers.forget)

    made = web.Application(client_max_size=SLACK.size, middlewares=[counted])
    made.add_routes(condition.routes())
    made.add_routes([metrics_route(figures, condition.database.workload), ci_route(lambda name: _of_name(house, name), wake, figures)])
    if guard.secrets:
        made.add_routes([events_route(guard, reception, figures)])
    return made


def _told(say: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    """Ask what is known at once."""

    async def check() -> str:
        return say()

    return check


def _of_name(house: House, name: str) -> Sequence[CIProvider]:
    return [house.providers[service.name].ci for service in house.catalog.services.values() if service.ci.provider == name]
