"""The web application: which doors there are, and what is asked of the bot's condition at
``/readyz`` and ``/healthz``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from bot.domain.limits import SLACK
from bot.domain.workload import named
from bot.engine.journal import JournalEngine
from bot.ports.ci import CIProvider, RunHint
from bot.services import webhooks
from bot.services.auditing import AuditWatch
from bot.services.context import Context
from bot.services.shared import SharedAnswers
from bot.slack.announcer import SlackAnnouncer
from bot.slack.authentication import Authentication
from bot.slack.render import Words
from bot.slack.socket import Socket
from bot.storage.condition import SqlCondition
from handlers.slack.intake import SlackIntake
from handlers.slack.verification import Verifier, events_route
from handlers.web.connections import counted
from handlers.web.health import Check, health_routes
from handlers.web.telemetry import Telemetry, metrics_route
from handlers.webhooks.ci import ci_route


@dataclass(frozen=True, slots=True)
class Condition:
    """What readiness asks; each answers with an empty text when all is well,
    else with what is wrong.
    """

    database: SqlCondition
    engine: JournalEngine
    announcer: SlackAnnouncer
    slack: Authentication
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
            alive={
                "engine": _told(lambda: "" if self.engine.is_working else "the engine has stopped")
            },
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
    context: Context,
    condition: Condition,
    verifier: Verifier,
    intake: SlackIntake,
    answers: SharedAnswers,
    telemetry: Telemetry,
) -> web.Application:
    """Make the application; Slack's door is there where requests can be verified."""

    async def wake(provider: str, hint: RunHint) -> bool:
        return await webhooks.wake(
            context.store, context.catalog, hint, provider=provider, forget=answers.forget
        )

    made = web.Application(client_max_size=SLACK.size, middlewares=[counted])
    made.add_routes(condition.routes())
    made.add_routes(
        [
            metrics_route(telemetry, condition.database.workload),
            ci_route(lambda name: _of_name(context, name), wake, telemetry),
        ]
    )
    if verifier.secrets:
        made.add_routes([events_route(verifier, intake, telemetry)])
    return made


def _told(say: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    """Ask what is known at once."""

    async def check() -> str:
        return say()

    return check


def _of_name(context: Context, name: str) -> Sequence[CIProvider]:
    return [
        context.providers[service.name].ci
        for service in context.catalog.services.values()
        if service.ci.provider == name
    ]
