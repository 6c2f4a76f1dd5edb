"""``gonogo doctor``: examines live what a configuration can only promise. It starts and changes
nothing, and may run beside the bot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import aiohttp

from bot.app import SystemClock
from bot.catalog import Loaded, load_catalog
from bot.domain import plain
from bot.domain.catalog import NO_PROVIDER, Catalog, PathPatterns, Service
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.ports.providers import Providers
from bot.provider_factory import ProviderFactory, for_a_look
from bot.providers.context import Examined, ExaminedMetrics, Finding, Listing
from bot.registry import known_kinds
from bot.settings import Settings
from bot.slack.client import SlackClient, SlackError
from bot.slack.manifest import SCOPES

SKEW = timedelta(minutes=2)
"""Slack and most CI providers refuse a signature after five minutes; this leaves room."""
MARKS = {True: "✓", False: "✗", None: "?"}
CONNECT = "Create the app from what gonogo manifest prints, install it, and set what it shows."
INVITE = "Invite the bot to the channel: /invite @gonogo."
CHANNEL_REMEDIES = {
    "channel_not_found": (
        "Copy the channel's id again (C…; it stands at the end of the channel's "
        "details), and invite the bot."
    ),
    "is_archived": "Unarchive the channel, or name another one.",
    "missing_scope": (
        "Add the scopes under OAuth & Permissions (gonogo manifest lists all) "
        "and install the app again."
    ),
}


async def examine(settings: Settings) -> tuple[str, bool]:
    """Examine Slack and every service's providers. Gives the report, and whether
    nothing is known to be wrong.
    """
    kinds = known_kinds()
    loaded = load_catalog(settings.gonogo_config, kinds.options)
    lines: list[str] = []
    good = True
    async with for_a_look(settings, loaded, kinds, SystemClock()) as factory:
        async for title, findings in _chapters(factory):
            good = good and all(finding.ok is not False for finding in findings)
            lines += [title, *(line for finding in findings for line in _written(finding))]
    return "\n".join([*lines, "", _closing(lines, good=good), ""]), good


def _closing(lines: Sequence[str], *, good: bool) -> str:
    """Say what was found in all; what could not be seen is not said to be good."""
    if not good:
        return "Something is wrong; each line with ✗ says what to do."
    unseen = sum(line.startswith(f"  {MARKS[None]} ") for line in lines)
    if not unseen:
        return "Nothing is known to be wrong."
    return (
        f"No mistake was found, and {'one thing' if unseen == 1 else f'{unseen} things'} could not "
        "be told: see each line with ?."
    )


async def _chapters(factory: ProviderFactory) -> AsyncIterator[tuple[str, Sequence[Finding]]]:
    yield "Slack", await _slack(factory.settings, factory.loaded, factory.session)
    try:
        providers = factory.providers()
    except ConfigurationError as error:
        yield (
            "Providers",
            [
                Finding("settings", ok=False, sentence=line, remedy="Correct it.")
                for line in str(error).split("\n")
            ],
        )
        return
    for service in factory.loaded.catalog.services.values():
        mine = providers[service.name]
        yield (
            f"{service.name} · {service.ci.provider}",
            [*await _ci(mine), *await _matched(mine, service)],
        )
        yield (
            f"{service.name} · {service.metrics.provider} (metrics)",
            await _metrics(mine, service),
        )
        yield (
            f"{service.name} · {service.on_call.provider} (on call)",
            [await _on_call(mine, service)],
        )


def _written(finding: Finding) -> list[str]:
    line = f"  {MARKS[finding.ok]} {finding.subject}: {finding.sentence}"
    return [line, *([f"    → {finding.remedy}"] if finding.remedy and not finding.ok else [])]


async def _slack(
    settings: Settings, loaded: Loaded, session: aiohttp.ClientSession
) -> Sequence[Finding]:
    try:
        settings.require_slack()
    except ConfigurationError as error:
        return [Finding("settings", ok=False, sentence=str(error), remedy=CONNECT)]
    client = SlackClient(
        session, token=settings.slack_bot_token.get_secret_value(), base_url=settings.slack_api_url
    )
    try:
        me, headers = await client.identity()
    except SlackError as error:
        return [_unanswered(error, settings.slack_api_url)]
    return [
        _team(str(me.get("team_id", "")), str(me.get("user", "")), loaded.catalog.team),
        _scopes(headers.get("x-oauth-scopes")),
        clock(headers.get("date", ""), datetime.now(UTC)),
        *[await _channel(client, channel) for channel in channels(loaded.catalog)],
    ]


def _unanswered(error: SlackError, address: str) -> Finding:
    """Tell a Slack that was not reached from one that does not take the token."""
    if not error.retry or error.is_account:
        return Finding(
            "token",
            ok=False,
            sentence=f"{error}.",
            remedy="Copy the bot token again; OAuth & Permissions shows it.",
        )
    if error.code == "ratelimited":
        return Finding("token", ok=None, sentence=f"{error}.", remedy="Ask again in some minutes.")
    remedy = (
        f"See whether this machine reaches {urlsplit(address).netloc}: its network, its name "
        "server, HTTPS_PROXY and NO_PROXY."
    )
    return Finding("token", ok=None, sentence=f"{error}.", remedy=remedy)


def channels(catalog: Catalog) -> tuple[str, ...]:
    """List the channels that gonogo.yaml names, each once."""
    return tuple(
        dict.fromkeys(service.channel for service in catalog.services.values() if service.channel)
    )


async def _channel(client: SlackClient, channel: str) -> Finding:
    """Look whether the bot is in a channel: it can only read where it is a member, and what it has
    posted it looks for there.
    """
    try:
        await client.look_into(channel)
    except SlackError as error:
        if error.retry:
            return Finding(
                f"channel {channel}", ok=None, sentence=f"{error}.", remedy="Ask again later."
            )
        return Finding(
            f"channel {channel}",
            ok=False,
            sentence=f"{error}.",
            remedy=CHANNEL_REMEDIES.get(error.code, INVITE),
        )
    return Finding(f"channel {channel}", ok=True, sentence="the bot is in it.")


def _team(team: str, user: str, wanted: str) -> Finding:
    sentence = f"workspace {team}, bot user {user}"
    if team == wanted:
        return Finding("token", ok=True, sentence=f"{sentence}.")
    return Finding(
        "token",
        ok=False,
        sentence=f"{sentence}, but gonogo.yaml says team: {wanted}.",
        remedy="Correct one of them.",
    )


def _scopes(header: str | None) -> Finding:
    if header is None:
        return Finding(
            "scopes",
            ok=None,
            sentence="Slack did not say which scopes the token has.",
            remedy="Compare with gonogo manifest.",
        )
    given = {scope.strip() for scope in header.split(",")}
    missing = [scope for scope in SCOPES if scope not in given]
    if missing:
        remedy = (
            "Add them under OAuth & Permissions (gonogo manifest lists all) "
            "and install the app again."
        )
        return Finding(
            "scopes", ok=False, sentence=f"missing: {', '.join(missing)}.", remedy=remedy
        )
    return Finding("scopes", ok=True, sentence=f"all {len(SCOPES)} are there.")


def clock(date: str, now: datetime) -> Finding:
    """Compare our clock with a server's Date header: signatures are refused
    when they differ too much.
    """
    try:
        there = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return Finding("clock", ok=None, sentence="Slack did not say what time it is.")
    off = abs(now - there)
    if off <= SKEW:
        return Finding("clock", ok=True, sentence="agrees with Slack's.")
    sentence = (
        f"differs from Slack's by {round(off.total_seconds())} s; signed requests will be refused."
    )
    return Finding("clock", ok=False, sentence=sentence, remedy="Set the machine's clock by NTP.")


async def _ci(providers: Providers) -> Sequence[Finding]:
    if isinstance(providers.ci, Examined):
        return await providers.ci.examine()
    return [Finding("provider", ok=None, sentence="it cannot be examined.")]


async def _matched(providers: Providers, service: Service) -> Sequence[Finding]:
    """Say what the patterns of the file match now, where the repository is at hand."""
    patterns = {"migrations": service.migrations, "paths": service.paths}
    if not any(patterns.values()) or not isinstance(providers.ci, Listing):
        return []
    try:
        files = await providers.ci.files()
    except IntegrationError as error:
        return [
            Finding(name, ok=None, sentence=f"{error}.", remedy="Ask again later.")
            for name, written in patterns.items()
            if written
        ]
    return [matched(name, written, files) for name, written in patterns.items() if written]


def matched(name: str, patterns: PathPatterns, files: Sequence[str]) -> Finding:
    """Say which files a pattern matches now."""
    found = [path for path in files if patterns.matches(path)]
    if not found:
        remedy = (
            f"Correct services.…{name}, if there should be some; patterns are written "
            "as in a .gitignore file."
        )
        return Finding(
            name,
            ok=None,
            sentence=f"{', '.join(patterns.written)} matches no file of the newest commit.",
            remedy=remedy,
        )
    more = f", such as {found[-1]}" if len(found) > 1 else f": {found[0]}"
    files_matched = "1 file" if len(found) == 1 else f"{len(found)} files"
    return Finding(
        name,
        ok=True,
        sentence=(
            f"{', '.join(patterns.written)} matches {files_matched} of the newest commit{more}."
        ),
    )


async def _metrics(providers: Providers, service: Service) -> Sequence[Finding]:
    if service.metrics.provider == NO_PROVIDER:
        return [
            Finding(
                "metrics",
                ok=True,
                sentence=(
                    "none are configured: nothing judges a step, and nothing is ever verified."
                ),
            )
        ]
    if isinstance(providers.metrics, ExaminedMetrics):
        return await providers.metrics.examine(service)
    return [Finding("provider", ok=None, sentence="it cannot be examined.")]


async def _on_call(providers: Providers, service: Service) -> Finding:
    if not service.has_on_call:
        return Finding(
            "on call", ok=True, sentence="no schedule is configured; whoever asks is the lead."
        )
    try:
        shift = await providers.on_call.who(service, datetime.now(UTC))
    except IntegrationError as error:
        return Finding(
            "on call",
            ok=False,
            sentence=f"{error}",
            remedy="Ask again later; if it stays so, look whether the feed is still there.",
        )
    if shift is None:
        remedy = "Fill the gap; until then the gate on-call blocks."
        return Finding("on call", ok=False, sentence="nobody is on call now.", remedy=remedy)
    until = f" until {plain.moment(shift.until, today=datetime.now(UTC))}" if shift.until else ""
    return Finding("on call", ok=True, sentence=f"{shift.person.user}{until} ({shift.source}).")
