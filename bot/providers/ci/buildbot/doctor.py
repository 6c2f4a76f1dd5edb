"""What ``gonogo doctor`` asks about a Buildbot: address, clock, account, scheduler, builder,
tests, repository, webhook.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from bot.domain.errors import IntegrationError
from bot.ports.time import Clock
from bot.providers.ci.buildbot import webhook
from bot.providers.ci.buildbot.client import BuildbotClient
from bot.providers.ci.buildbot.reading import PLAN, Scheduler
from bot.providers.ci.buildbot.setup import Setup
from bot.providers.ci.mirror import Mirror
from bot.providers.context import Finding, unanswered
from bot.providers.exchange import RestError

SKEW = timedelta(minutes=1)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _good(subject: str, sentence: str) -> Finding:
    return Finding(subject, ok=True, sentence=sentence)


def _bad(subject: str, sentence: str, remedy: str) -> Finding:
    return Finding(subject, ok=False, sentence=sentence, remedy=remedy)


async def examine(
    setup: Setup, client: BuildbotClient, mirror: Mirror, clock: Clock
) -> Sequence[Finding]:
    """Check everything that can be checked without starting anything."""
    reached, skew = await _reach(setup, client, clock)
    found = [_address(setup), reached]
    if reached.ok:
        found += [
            skew,
            *await _scheduler(setup, client),
            await _builder(client, setup.builder),
            await _tests(setup, client),
        ]
    return [*found, await _repository(mirror), _webhook(setup)]


def _address(setup: Setup) -> Finding:
    parts = urlsplit(setup.url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and setup.account:
        return _bad(
            "address",
            "the password travels unencrypted",
            "Put Buildbot behind https and change the option url.",
        )
    return _good("address", setup.url)


async def _reach(setup: Setup, client: BuildbotClient, clock: Clock) -> tuple[Finding, Finding]:
    try:
        reply = await client.reply("/builders?limit=1")
    except IntegrationError as error:
        refused = error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        remedy = (
            "Check GONOGO_BUILDBOT_USER and GONOGO_BUILDBOT_PASSWORD."
            if refused
            else "Check the option url, and that the master runs."
        )
        return _bad("account", str(error), remedy), Finding("clock", None, "not known")
    who = (
        f"logged in as {setup.account}" if setup.account else "anonymous; no account is configured"
    )
    return _good("account", who), _clock(reply.headers.get("date", ""), clock.now())


def _clock(date: str, now: datetime) -> Finding:
    try:
        theirs = parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return Finding("clock", None, "Buildbot does not say what time it is")
    skew = abs(now - theirs)
    remedy = (
        ""
        if skew <= SKEW
        else (
            "Run NTP on both machines: signed notices are refused when the "
            "clocks differ by 5 minutes."
        )
    )
    return Finding("clock", skew <= SKEW, f"{skew.total_seconds():.0f} s apart", remedy)


async def _scheduler(setup: Setup, client: BuildbotClient) -> Sequence[Finding]:
    name = setup.scheduler
    path = f"/forceschedulers/{quote(name, safe='')}"
    try:
        scheduler = Scheduler.of((await client.read(path))[0])
    except IntegrationError as error:
        return [
            unanswered(
                "scheduler",
                error,
                (
                    f"Add the force scheduler {name} of our master.cfg, or "
                    "change the option scheduler."
                ),
            )
        ]
    wrong = scheduler.wrong(setup.builder)
    if wrong:
        return [
            _bad(
                "scheduler",
                f"{name}: {wrong}",
                "Compare it with deploy_scheduler in our master.cfg.",
            )
        ]
    plan = ", ".join(scheduler.plan("deploy") or ())
    stages = (
        _good("stages", plan)
        if plan
        else _bad("stages", f"{name} has no {PLAN}", f"Add {PLAN}, as our master.cfg does.")
    )
    return [
        _good("scheduler", f"{name} takes all that we say"),
        stages,
        await _permission(setup, client, path, scheduler),
    ]


async def _permission(
    setup: Setup, client: BuildbotClient, path: str, scheduler: Scheduler
) -> Finding:
    """Ask for a start that Buildbot has to refuse, because a required field is missing: what it
    refuses it for tells whether we may.
    """
    if not scheduler.fields["correlation_id"].get("required"):
        return Finding(
            "permission",
            None,
            "cannot be tried without starting something",
            "Make the field correlation_id required.",
        )
    try:
        builder = (await client.read("/builders", name=setup.builder))[0]["builderid"]
        await client.call(path, "force", {"builderid": builder})
    except RestError as error:
        if error.status == HTTPStatus.BAD_REQUEST:
            return _good("permission", "may start and stop runs")
        return unanswered("permission", error, "Give the account the role that www.authz asks for.")
    except IndexError:
        return Finding("permission", None, "cannot be tried without the builder")
    return Finding("permission", None, "Buildbot did not answer as expected")


async def _builder(client: BuildbotClient, name: str) -> Finding:
    async def look() -> Finding:
        found = await client.read("/builders", name=name)
        if not found:
            return _bad(
                "builder",
                f"there is no builder {name}",
                "Change the option builder, or add it to master.cfg.",
            )
        workers = await client.read(f"/builders/{found[0]['builderid']}/workers")
        able = [
            str(each["name"])
            for each in workers
            if each.get("connected_to") and not each.get("paused")
        ]
        if not able:
            return _bad(
                "builder",
                f"no worker of {name} is connected",
                "Start its worker, or end its pause in Buildbot.",
            )
        return _good("builder", f"{name} on {', '.join(able)}")

    return await _tried("builder", look)


async def _tests(setup: Setup, client: BuildbotClient) -> Finding:
    async def look() -> Finding:
        found = await client.read("/builders", name=setup.tests)
        if not found:
            return _bad(
                "tests",
                f"there is no builder {setup.tests}",
                "Change the option tests, or add it to master.cfg.",
            )
        return _good("tests", setup.tests)

    if not setup.tests:
        return Finding(
            "tests",
            None,
            "no builder is named, so the gate tests is never green",
            "Set the option tests.",
        )
    return await _tried("tests", look)


async def _repository(mirror: Mirror) -> Finding:
    try:
        newest = await mirror.resolve("latest")
    except IntegrationError as error:  # it is git that was asked here, not Buildbot
        return _bad(
            "repository",
            str(error),
            "Check the option repository, and that the bot's user may read it.",
        )
    return _good("repository", f"latest is {newest.version}")


def _webhook(setup: Setup) -> Finding:
    if setup.webhook_secret:
        return _good("webhook", f"notices are verified ({webhook.HEADER})")
    return Finding(
        "webhook",
        None,
        "no secret, so notices are refused; events and polling do the work",
        "Set GONOGO_BUILDBOT_WEBHOOK_SECRET.",
    )


async def _tried(subject: str, look: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        return await look()
    except IntegrationError as error:
        return unanswered(subject, error, "Run gonogo doctor again when Buildbot answers.")
