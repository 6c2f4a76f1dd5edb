"""How the bot reaches others: one session for Slack, CI, metrics and on-call, with one rule for
proxies and certificate authorities.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from bot.domain.errors import ConfigurationError

PATIENCE = aiohttp.ClientTimeout(total=300, sock_connect=30)
"""For a call that names no time of its own."""


def session(
    authorities: ssl.SSLContext | None = None, *, timeout: aiohttp.ClientTimeout | None = None
) -> aiohttp.ClientSession:
    """Make the session. It obeys HTTPS_PROXY, HTTP_PROXY and NO_PROXY, each in capitals or not;
    without a proxy nothing is looked up.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=authorities or True),
        cookie_jar=aiohttp.DummyCookieJar(), trust_env=bool(getproxies()),
        timeout=timeout or PATIENCE,
    )  # fmt: skip


def trusted(file: Path | None) -> ssl.SSLContext | None:
    """Trust a team's own certificate authorities beside the system's; None for the system's alone.
    Raises ConfigurationError.
    """
    if file is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise ConfigurationError(
            f"GONOGO_CA_FILE: {file} holds no certificate in PEM form "
            "(-----BEGIN CERTIFICATE-----)."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"GONOGO_CA_FILE: {file} cannot be read: {error.strerror}. "
            "Correct the path or the rights."
        ) from error
    return context


def proxy_of(url: str) -> str:
    """Give the proxy that a WebSocket or request to this address goes through; "" for none."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return ""
    return getproxies().get("https" if parts.scheme in {"https", "wss"} else "http", "")
