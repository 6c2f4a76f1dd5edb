"""Who we are to GitHub: an App, whose key makes a token that lasts an hour. A plain token is a
header and needs no code.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import jwt

from bot.domain.errors import ConfigurationError
from bot.ports.time import Clock
from bot.providers.ci.github.client import escaped
from bot.providers.exchange import Reply, RestError
from bot.providers.rest import RestClient

BACKDATED = timedelta(seconds=60)
"""GitHub advises to allow for clocks that differ by so much, and"""
VALID = timedelta(minutes=9)
"""takes no assertion that is valid for more than 10 minutes."""
SPARE = 300.0
"""A token is renewed when it has so many seconds left; a call may wait for its turn."""


def checked_key(key: str) -> str:
    """Check that a key is an RSA private key in PEM. Raises ConfigurationError."""
    pem = key.replace("\\n", "\n")
    try:
        jwt.encode({}, pem, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        sentence = (
            "GONOGO_GITHUB_APP_KEY: is not a private key. Set GONOGO_GITHUB_APP_KEY_FILE to the "
            ".pem file that GitHub gave you."
        )
        raise ConfigurationError(sentence) from error
    return pem


def pem_or_nothing(_name: str, key: str) -> str:
    """Check a key where one is set. Raises ConfigurationError."""
    return checked_key(key) if key else key


class App:
    """``rest.Identity`` of a GitHub App that is installed on one repository. ``client``
    shows no identity of its own.
    """

    def __init__(
        self, client: RestClient, clock: Clock, *, app: str, key: str, repository: str
    ) -> None:
        self._client = client
        self._clock = clock
        self._app = app
        self._key = key
        self._repository = repository
        self._installation = ""
        self.slug = ""
        """The App's name as GitHub writes it in addresses; "" before the first token."""
        self._token = ""
        self._until = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """Give a token that is good for some minutes at least, limited to the one
        repository. Raises RestError.
        """
        async with self._one_at_a_time:
            if not self._token or time.monotonic() > self._until - SPARE:
                try:
                    await self._renew()
                except RestError:
                    self._installation = ""  # it may have been installed anew
                    raise
            return {"Authorization": f"Bearer {self._token}"}

    def was_refused(self) -> None:
        """Forget the token: the App may have been suspended and taken up
        again, or installed anew.
        """
        self._token = self._installation = ""

    async def _renew(self) -> None:
        if not self._installation:
            path = f"/repos/{escaped(self._repository)}/installation"
            found = (await self._ask("GET", path)).data
            self._installation, self.slug = str(found["id"]), str(found.get("app_slug") or "")
        body = {"repositories": [self._repository.partition("/")[2]]}
        reply = await self._ask(
            "POST", f"/app/installations/{self._installation}/access_tokens", body
        )
        lasts = datetime.fromisoformat(reply.data["expires_at"]) - self._there()
        self._token, self._until = (
            str(reply.data["token"]),
            time.monotonic() + lasts.total_seconds(),
        )

    async def _ask(self, method: str, path: str, body: Any = None) -> Reply:
        try:
            return await self._signed(method, path, body)
        except RestError as error:
            wrong_time = (
                error.status == HTTPStatus.UNAUTHORIZED
                and abs(self._client.ahead or timedelta()) > BACKDATED / 2
            )
            if not wrong_time:
                raise _about_us(error) from error
        try:
            return await self._signed(method, path, body)  # GitHub's clock is known now
        except RestError as error:
            raise _about_us(error) from error

    async def _signed(self, method: str, path: str, body: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self._assertion()}"}
        if method == "GET":
            return await self._client.get(path, headers=headers)
        return await self._client.send(method, path, body, headers=headers, repeatable=True)

    def _assertion(self) -> str:
        now = self._there()
        claims = {
            "iat": int((now - BACKDATED).timestamp()),
            "exp": int((now + VALID).timestamp()),
            "iss": self._app,
        }
        return jwt.encode(claims, self._key, algorithm="RS256")

    def _there(self) -> datetime:
        """Give the time by GitHub's clock, as far as it is known."""
        return self._clock.now().astimezone(UTC) + (self._client.ahead or timedelta())


def _about_us(error: RestError) -> RestError:
    """Say that it was the App that failed; whatever was to be asked has not been sent.

    A 404 here is about the App's installation: passed on as it is, it would read
    as "there is no such tag".
    """
    ours = (
        error.status is not None
        and HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        and not error.retry
    )
    status = HTTPStatus.UNAUTHORIZED if ours else error.status
    return RestError(
        f"GitHub gave the App no token: {error}",
        vendor=error.vendor,
        status=status,
        retry=error.retry,
        wait=error.wait,
    )
