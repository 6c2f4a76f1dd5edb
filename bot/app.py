"""The composition root: settings, providers, services, handlers, one aiohttp application. Nothing
is global, nothing happens at import.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import aiohttp
import structlog
from aiohttp import web

from bot import audit, outgoing, secrecy
from bot.catalog import Loaded, load_catalog
from bot.dispatch.command_worker import CommandWorker
from bot.dispatch.doors import Doors
from bot.dispatch.tables import COMMANDS
from bot.domain.errors import IntegrationError
from bot.doors import open_door
from bot.engine.journal import JournalEngine
from bot.logs import set_up_logs
from bot.ports.ci import CIProvider
from bot.ports.engine import RunRecord
from bot.ports.metrics import MetricsSource
from bot.ports.providers import Providers
from bot.provider_factory import ProviderFactory
from bot.providers.rate_limits import RateLimits
from bot.queries.card import card_of
from bot.queries.chart import chart_of
from bot.queries.status_line import cards_due
from bot.registry import known_kinds, released
from bot.routes import Condition, application
from bot.services import endings, restoring, summaries, timely
from bot.services.auditing import AuditWatch
from bot.services.background import Background, Wakeups
from bot.services.context import Context, PollIntervals
from bot.services.outside import all_outside
from bot.services.people import People
from bot.services.shared import SharedAnswers
from bot.services.shared_providers import shared
from bot.services.stuck import stuck
from bot.settings import Settings
from bot.slack.announcer import SlackAnnouncer
from bot.slack.authentication import Authentication
from bot.slack.client import SlackClient
from bot.slack.dialogs import Dialogs
from bot.slack.directory import SlackDirectory
from bot.slack.forms import Forms
from bot.slack.learning import Learned
from bot.slack.pictures import picture_of
from bot.slack.render import Words
from bot.slack.socket import Socket
from bot.start import ask_again, who_am_i, who_is_ours
from bot.storage.database import Database, open_database
from bot.variables import SETTINGS_DOCS
from handlers.schedule.clock import Clockwork
from handlers.slack import buttons, deploy, home, mention, rollback
from handlers.slack.intake import SlackIntake, bolt_app
from handlers.slack.verification import Verifier
from handlers.web.telemetry import Telemetry

log = structlog.get_logger(__name__)

REDRAWN = timedelta(days=1)
"""How far back cards are looked at again when the bot starts; one that shows the
truth already costs no call.
"""
SLOWEST = timedelta(seconds=30)
"""The longest pause between two looks at a run that does not get on, unless
GONOGO_POLL_SECONDS is longer.
"""


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class Bot:
    """A bot that runs."""

    context: Context
    database: Database
    application: web.Application
    url: str = ""


# Starting ---------------------------------------------------------------------------------------


async def serve(settings: Settings) -> int:
    """Run the bot until it is told to stop; then drain and stop. What it starts
    cannot read its secrets.
    """
    set_up_logs(settings.gonogo_log_level)
    secrecy.withdraw(
        (*(doc.name for doc in SETTINGS_DOCS if doc.secret), *settings.provider_secrets)
    )
    secrecy.close_to_others()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    for line in settings.unread:
        log.warning(line)
    async with running(settings) as bot:
        gc.collect()
        # what is built by now stays; looking through it again would stop everything
        # for tens of milliseconds
        gc.freeze()
        log.info("Go/No-Go is up", url=bot.url, services=sorted(bot.context.catalog.services))
        await stop.wait()
        log.info("Go/No-Go stops; what is under way goes on at the next start")
    return 0


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Bot]:
    """Build everything, open it from the inside out, and close it the other way round."""
    settings.require_slack()
    audit.examine(settings)
    trusted = outgoing.trusted(settings.gonogo_ca_file)
    kinds = known_kinds()
    loaded = load_catalog(settings.gonogo_config, kinds.options)
    clock = SystemClock()
    words = Words(settings.gonogo_templates, now=clock.now)
    words.examine()
    async with AsyncExitStack() as stack:
        database = await open_database(
            settings.gonogo_database_url, audit_keys=settings.audit_keys, commands=COMMANDS
        )
        stack.push_async_callback(database.close)
        if database.made:
            log.warning(database.made)
        background = Background()
        stack.push_async_callback(background.finish)
        session = await stack.enter_async_context(outgoing.session(trusted))
        telemetry = Telemetry()
        client = SlackClient(
            session,
            token=settings.slack_bot_token.get_secret_value(),
            base_url=settings.slack_api_url,
            called=partial(telemetry.called, "Slack"),
        )
        factory = ProviderFactory(settings, loaded, kinds, database, session, clock)
        rooms = _Rooms(
            settings,
            loaded,
            database,
            session,
            factory,
            client,
            words,
            clock,
            background,
            telemetry,
        )
        yield await rooms.open(stack)


@dataclass
class _Rooms:
    """What is built on the way up."""

    settings: Settings
    loaded: Loaded
    database: Database
    session: aiohttp.ClientSession
    factory: ProviderFactory
    client: SlackClient
    words: Words
    clock: SystemClock
    background: Background
    telemetry: Telemetry
    ours: Learned = field(init=False)
    built: Mapping[str, Providers] = field(default_factory=dict)

    async def open(self, stack: AsyncExitStack) -> Bot:
        """Build the rooms, one on the other; from ``_set_to_work`` on the bot does what is due, and
        the doors are opened last.
        """
        catalog, store = self.loaded.catalog, self.database.store
        me = await self._introduced()
        people = People(catalog, SlackDirectory(self.client, team=catalog.team, clock=self.clock))
        wakeups = Wakeups(store, catalog, self.database.runs, self.background)
        answers = SharedAnswers(self.clock, wakeups.tests_changed)
        stack.push_async_callback(answers.close)
        providers = await self._providers(stack, answers, wake=wakeups.run_changed)
        context = Context(
            catalog, store, self.clock, providers, people, intervals_of(self.settings)
        )
        engine, announcer = self._engine(context), self._announcer(context)
        store.on_card_changed(announcer.card_changed)
        store.on_outbox(announcer.outbox_changed)
        store.on_runs(engine.nudge)
        worker = CommandWorker(context, self.database.inbox, announcer)
        intake = self._intake(context, worker, announcer, me)
        await self._tell_of_a_restore(context)
        await self._set_to_work(stack, context, announcer, engine, worker)
        watch = await self._watch(stack, context)
        stack.push_async_callback(intake.close)  # after the doors are shut
        socket = self._socket(intake)
        missing = partial(self.factory.missing, self.built)
        slack = Authentication(self.client)
        condition = Condition(
            self.database.condition, engine, announcer, slack, socket, watch, self.words, missing
        )
        verifier = Verifier(
            [secret.encode() for secret in self.settings.signing_secrets], self.ours, self.clock
        )
        return await self._open_doors(
            stack,
            context,
            application(context, condition, verifier, intake, answers, self.telemetry),
            socket,
        )

    async def _introduced(self) -> Mapping[str, str]:
        """Learn from Slack who we are, and so whose requests are ours."""
        catalog = self.loaded.catalog
        async with self.database.store.reading() as reader:
            under_way = len(await reader.open_deployments())
        me = await who_am_i(self.client, catalog.team, under_way)
        about = (self.client, catalog.team, self.settings.slack_app_id)
        self.ours = Learned(await who_is_ours(*about, me), partial(ask_again, *about))
        return me

    def _engine(self, context: Context) -> JournalEngine:
        registry = released(context)
        self.database.store.newest_version = registry.newest

        def on_stuck(run: RunRecord, why: str) -> None:
            self.background.do(stuck(context, run, why))

        return JournalEngine(
            self.database.journal, registry, self.clock, on_stuck=on_stuck, urgent={"roll_back"}
        )

    def _announcer(self, context: Context) -> SlackAnnouncer:
        return SlackAnnouncer(
            self.client,
            self.database.postings,
            partial(card_of, context),
            partial(cards_due, context),
            self.words,
            draw=partial(picture_of, partial(chart_of, context)),
            name=context.people.name,
            still_true=partial(timely.still_true, context),
            ended=partial(endings.ended, context),
        )

    async def _set_to_work(
        self,
        stack: AsyncExitStack,
        context: Context,
        announcer: SlackAnnouncer,
        engine: JournalEngine,
        worker: CommandWorker,
    ) -> None:
        """Have cards drawn, runbooks go on, commands carried out and the clock tick; what is
        opened first is closed last.
        """
        clockwork = Clockwork(
            context.catalog,
            self.clock,
            engine.start,
            partial(summaries.due, context),
            context.intervals.hold,
            tidy=self.database.inbox.prune,
        )
        async with context.store.reading() as reader:
            # the last change may not have reached its card
            recent = await reader.changed_since(self.clock.now() - REDRAWN)
            cards = [deployment.id for deployment in (*await reader.open_deployments(), *recent)]
        for opened in (announcer, engine, worker):
            stack.push_async_callback(opened.close)
        await announcer.open(cards)
        await engine.open()
        await worker.open()
        await clockwork.open()
        stack.push_async_callback(clockwork.close)

    async def _watch(self, stack: AsyncExitStack, context: Context) -> AuditWatch:
        watch, audit_log = audit.watch(self.settings, context, self.telemetry.audited)
        stack.callback(audit_log.close)
        stack.push_async_callback(watch.close)
        await watch.open()
        return watch

    async def _tell_of_a_restore(self, context: Context) -> None:
        """Before anything is done on the word of the database."""
        if self.database.restored is not None:
            await restoring.notice(
                context, self.database.restored, audit.channels(self.settings, context)
            )
            self.database.settle()

    async def _open_doors(
        self,
        stack: AsyncExitStack,
        context: Context,
        application: web.Application,
        socket: Socket | None,
    ) -> Bot:
        bot = Bot(
            context,
            self.database,
            application,
            await open_door(stack, application, self.settings, self.telemetry),
        )
        if socket is not None:
            await socket.open()
            stack.push_async_callback(socket.close)
        return bot

    async def _providers(
        self, stack: AsyncExitStack, answers: SharedAnswers, *, wake: Callable[[str], None]
    ) -> dict[str, Providers]:
        providers = replace(
            self.factory, wake=wake, rate_limits=RateLimits(observer=self.telemetry)
        ).providers()
        self.built = providers
        cis = [each.ci for each in providers.values()]
        metrics = {id(each.metrics): each.metrics for each in providers.values()}  # some are shared
        openable: list[CIProvider | MetricsSource] = [*cis, *metrics.values()]
        for each in openable:
            stack.push_async_callback(each.close)
            try:
                await each.open()
            except IntegrationError as error:
                log.error(  # noqa: TRY400
                    "a provider could not be opened; it is tried again at the next start",
                    vendor=error.vendor,
                    why=str(error),
                )
        for sentence in self.factory.missing(providers):
            log.error(
                "this machine has not what a service needs; the others work", problem=sentence
            )
        services, kinds = self.loaded.catalog.services, self.factory.kinds
        return {
            name: shared(
                all_outside(each), services[name], answers, self.clock, kinds.costs(services[name])
            )
            for name, each in providers.items()
        }

    def _intake(
        self,
        context: Context,
        worker: CommandWorker,
        announcer: SlackAnnouncer,
        me: Mapping[str, str],
    ) -> SlackIntake:
        doors = Doors(context, announcer)
        forms = Forms(self.client, Dialogs(self.words), context.catalog, doors)
        intake = SlackIntake(
            catalog=context.catalog,
            inbox=self.database.inbox,
            nudge=worker.nudge,
            forms=forms,
            clock=self.clock,
        )
        app = bolt_app(
            self.client.web, token=self.settings.slack_bot_token.get_secret_value(),
            team=context.catalog.team,
            bot_user=me.get("user_id", ""), bot=me.get("bot_id", ""),
        )  # fmt: skip
        for verb in (deploy, rollback, home, mention, buttons):
            verb.register(app, intake)
        intake.serve(app, self.client.web)
        return intake

    def _socket(self, intake: SlackIntake) -> Socket | None:
        if not self.settings.is_socket_mode:
            return None
        return Socket(
            app_token=self.settings.slack_app_token.get_secret_value(),
            api_url=self.settings.slack_api_url, session=self.session,
            ours=self.ours, dispatch=intake.dispatch,
            proxy=outgoing.proxy_of(self.settings.slack_api_url),
            trusted=outgoing.trusted(self.settings.gonogo_ca_file),
        )  # fmt: skip


def intervals_of(settings: Settings) -> PollIntervals:
    """Take the pace from the settings: how often waiting procedures look
    when nothing wakes them.
    """
    every = timedelta(seconds=settings.gonogo_poll_seconds)
    return PollIntervals(
        review=3 * every, run=every, hold=3 * every, slowest=max(every, min(6 * every, SLOWEST))
    )
