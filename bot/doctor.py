"""``gonogo doctor``: examines live what a configuration can only promise. It starts and changes nothing, and may run beside the bot."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from bot.app import SystemClock
from bot.catalog import Loaded, load_catalog
from bot.domain.catalog import Service
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.ports import Providers
from bot.providers.workbench import Examined, Finding
from bot.settings import Settings
from bot.slack.client import SlackClient, SlackError
from bot.slack.manifest import SCOPES
from bot.storage.database import open_database
from bot.wiring import known_kinds
from bot.workshop import Workshop

SKEW = timedelta(minutes=2)
"""Slack and most CI providers refuse a signature after five minutes; this leaves room."""
MARKS = {True: "✓", False: "✗", None: "?"}
PATIENCE = aiohttp.ClientTimeout(total=30)


async def examine(settings: Settings) -> tuple[str, bool]:
    """Examine Slack and every service's providers. Gives the report, and whether nothing is known to be wrong."""
    kinds = known_kinds()
    loaded = load_catalog(settings.gonogo_config, kinds.options)
    lines: list[str] = []
    good = True
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = await open_database(f"sqlite+aiosqlite:///{folder / 'doctor.db'}")  # the bot's own is the bot's
        stack.push_async_callback(database.close)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=PATIENCE, cookie_jar=aiohttp.DummyCookieJar()))
        workshop = Workshop(settings, loaded, kinds, database, session, SystemClock())
        async for title, findings in _chapters(workshop, session):
            good = good and all(finding.ok is not False for finding in findings)
            lines += [title, *(line for finding in findings for line in _written(finding))]
    closing = "Nothing is known to be wrong." if good else "Something is wrong; each line with ✗ says what to do."
    return "\n".join([*lines, "", closing, ""]), good


async def _chapters(workshop: Workshop, session: aiohttp.ClientSession) -> AsyncIterator[tuple[str, Sequence[Finding]]]:
    yield "Slack", await _slack(workshop.settings, workshop.loaded, session)
    try:
        providers = workshop.providers()
    except ConfigurationError as error:
        yield "Providers", [Finding("settings", ok=False, sentence=line, remedy="Correct it.") for line in str(error).split("\n")]
        return
    for service in workshop.loaded.catalog.services.values():
        yield f"{service.name} · {service.ci.provider}", await _ci(providers[service.name])
        yield f"{service.name} · {service.on_call.provider}", [await _on_call(providers[service.name], service)]


def _written(finding: Finding) -> list[str]:
    line = f"  {MARKS[finding.ok]} {finding.subject}: {finding.sentence}"
    return [line, *([f"    → {finding.remedy}"] if finding.remedy and not finding.ok else [])]


async def _slack(settings: Settings, loaded: Loaded, session: aiohttp.ClientSession) -> Sequence[Finding]:
    try:
        settings.require_slack()
    except ConfigurationError as error:
        return [Finding("settings", ok=False, sentence=str(error), remedy="See docs/how-to/connect-slack.md.")]
    client = SlackClient(session, token=settings.slack_bot_token.get_secret_value(), base_url=settings.slack_api_url)
    try:
        me, headers = await client.standing()
    except IntegrationError as error:
        if error.retry and not (isinstance(error, SlackError) and error.is_account):
            away = "See whether this machine reaches slack.com: its network, its name server, HTTPS_PROXY and NO_PROXY."
            return [Finding("token", None, f"{error}.", away)]
        return [Finding("token", ok=False, sentence=f"{error}.", remedy="Copy the bot token again; OAuth & Permissions shows it.")]
    return [
        _team(str(me.get("team_id", "")), str(me.get("user", "")), loaded.catalog.team),
        _scopes(headers.get("x-oauth-scopes")),
        clock(headers.get("date", ""), datetime.now(UTC)),
    ]


def _team(team: str, user: str, wanted: str) -> Finding:
    sentence = f"workspace {team}, bot user {user}"
    if team == wanted:
        return Finding("token", ok=True, sentence=f"{sentence}.")
    return Finding("token", ok=False, sentence=f"{sentence}, but gonogo.yaml says team: {wanted}.", remedy="Correct one of them.")


def _scopes(header: str | None) -> Finding:
    if header is None:
        return Finding("scopes", ok=None, sentence="Slack did not say which scopes the token has.", remedy="Compare with gonogo manifest.")
    given = {scope.strip() for scope in header.split(",")}
    missing = [scope for scope in SCOPES if scope not in given]
    if missing:
        remedy = "Add them under OAuth & Permissions (gonogo manifest lists all) and install the app again."
        return Finding("scopes", ok=False, sentence=f"missing: {', '.join(missing)}.", remedy=remedy)
    return Finding("scopes", ok=True, sentence=f"all {len(SCOPES)} are there.")


def clock(date: str, now: datetime) -> Finding:
    """Compare our clock with a server's Date header: signatures are refused when they differ too much."""
    try:
        there = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return Finding("clock", ok=None, sentence="Slack did not say what time it is.")
    off = abs(now - there)
    if off <= SKEW:
        return Finding("clock", ok=True, sentence="agrees with Slack's.")
    sentence = f"differs from Slack's by {round(off.total_seconds())} s; signed requests will be refused."
    return Finding("clock", ok=False, sentence=sentence, remedy="Set the machine's clock by NTP.")


async def _ci(providers: Providers) -> Sequence[Finding]:
    if isinstance(providers.ci, Examined):
        return await providers.ci.examine()
    return [Finding("provider", ok=None, sentence="it cannot be examined.")]


async def _on_call(providers: Providers, service: Service) -> Finding:
    try:
        shift = await providers.on_call.who(service, datetime.now(UTC))
    except IntegrationError as error:
        return Finding("on call", ok=None, sentence=f"{error}", remedy="Ask again later.")
    if shift is None:
        remedy = "Fill the gap; until then the gate on-call blocks."
        return Finding("on call", ok=False, sentence="nobody is on call now.", remedy=remedy)
    until = f" until {shift.until:%Y-%m-%d %H:%M} UTC" if shift.until else ""
    return Finding("on call", ok=True, sentence=f"{shift.person.user}{until} ({shift.source}).")
