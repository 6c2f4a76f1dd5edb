"""What is examined while the bot starts: the token and the address to listen on. A mistake ends
the start with a sentence.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from typing import Any

import structlog

from bot.domain.errors import ConfigurationError, GonogoError, IntegrationError
from bot.domain.faults import of_system
from bot.settings import Settings
from bot.slack.client import SlackClient, SlackError
from bot.slack.ours import Ours

log = structlog.get_logger(__name__)

PRIVILEGED = 1024
"""Ports below this one are root's."""


async def who_am_i(client: SlackClient, team: str, under_way: int) -> Mapping[str, str]:
    """Ask Slack who we are; go on without an answer when Slack is away.

    Raises ConfigurationError when the token is for another workspace, or is refused. While
    deployments are under way a refused token keeps nothing down: rollouts, rollbacks and timers go
    on, readiness says what is wrong, and the cards follow once the token is mended.
    """
    try:
        me = await client.who_am_i()
    except IntegrationError as error:
        if error.retry and not (isinstance(error, SlackError) and error.is_account):
            log.warning("Slack does not answer; going on without it")
            return {}
        sentence = (
            f"Slack refuses SLACK_BOT_TOKEN: {error}. Install the app again and copy its token."
        )
        if not under_way:
            raise ConfigurationError(sentence) from error
        log.error(  # noqa: TRY400
            "going on without Slack, because deployments are under way",
            deployments=under_way,
            problem=sentence,
        )
        return {}
    return _checked(me, team)


def _checked(me: Mapping[str, Any], team: str) -> dict[str, str]:
    if me.get("team_id") not in {team, None}:
        raise ConfigurationError(
            f"SLACK_BOT_TOKEN is for workspace {me.get('team_id')}, but gonogo.yaml says team: "
            f"{team}. Correct one of them."
        )
    return {str(name): str(value) for name, value in me.items() if value is not None}


async def ask_again(client: SlackClient, team: str, app: str) -> Ours:
    """Learn while the bot runs what Slack did not say at its start. Raises IntegrationError, and
    ConfigurationError when the token is for another workspace.
    """
    me = _checked(await client.who_am_i(), team)
    return await who_is_ours(client, team, app, me)


async def who_is_ours(client: SlackClient, team: str, app: str, me: Mapping[str, str]) -> Ours:
    """Learn which app and which organisation are ours. Slack is asked for an app that is not
    configured; without an answer any is, until it is asked again (``slack.learning``).
    """
    lacks = set() if me else {"enterprise"}
    if not app and me.get("bot_id"):
        try:
            app = await client.app_of(me["bot_id"])
        except IntegrationError:
            log.warning(
                "Slack does not say which app this is; set SLACK_APP_ID to have requests "
                "for any other app refused"
            )
    lacks |= set() if app else {"app"}
    return Ours(team, app, me.get("enterprise_id", ""), frozenset(lacks))


def cannot_listen(error: OSError, settings: Settings) -> GonogoError:
    """Say why the address cannot be had: the host is not ours, the port is
    root's, or somebody has it.
    """
    what = f"GONOGO_LISTEN {settings.gonogo_listen} cannot be used"
    if isinstance(error, socket.gaierror) or error.errno in {
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EINVAL,
    }:
        return ConfigurationError(
            f"{what}: this machine has no address {settings.host}. Write "
            f"0.0.0.0:{settings.port} for all of its own."
        )
    if error.errno in {errno.EACCES, errno.EPERM} and settings.port < PRIVILEGED:
        return ConfigurationError(
            f"{what}: ports below {PRIVILEGED} are root's. Choose a higher one."
        )
    return of_system(
        OSError(error.errno, _why(error)), what, "Choose another port, or stop what listens there."
    )


def _why(error: OSError) -> str:
    """Give the plain reason; asyncio puts a sentence of its own around it."""
    known = errno.errorcode.get(error.errno or 0)
    return (
        "another program listens there"
        if known == "EADDRINUSE"
        else (error.strerror or type(error).__name__)
    )
