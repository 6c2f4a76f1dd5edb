"""The one REST client of all providers: time limits, careful repetition, obedience to rate limits,
and no secret in any sentence.

Reads are repeated with full jitter; a write is never repeated unless the caller says that
repeating it changes nothing. Redirects are not followed: a token goes to the configured
address and nowhere else.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp.http_exceptions import LineTooLong

from bot.domain.limits import ANSWER, Fault, Unreadable
from bot.foreign import json_beside
from bot.providers.error_text import words_of
from bot.providers.exchange import Budget, Call, Identity, Reply, RestError, Seen
from bot.providers.rate_limits import (
    LONGEST_PAUSE,
    RateLimits,
)
from bot.providers.retry import (
    USUAL_PAUSE,
    date,
    is_unclear,
    is_used_up,
    limit,
    passes,
    rest_of_call,
    until_reset,
)

log = structlog.get_logger(__name__)

_CHUNK = 64 * 1024
_TOKENS = re.compile(
    r"(?i)\b(gh[a-z]_[\w.-]+|github_pat_\w+|glpat-[\w-]+|xox[a-z]-[\w-]+|(?:bearer|basic|"
    r"token)\s+[\w.~+/=-]{8,})|(?<=://)[^/@\s]+@"
)


class RestClient:
    """One vendor's REST interface under one identity. Every method raises RestError."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        *,
        vendor: str,
        rate_limits: RateLimits,
        headers: Mapping[str, str] | None = None,
        identity: Identity | None = None,
        secrets: Sequence[str] = (),
        account: str = "",
        budget: Budget | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[float], float] | None = None,
    ) -> None:
        self._session = session
        self._base = base.rstrip("/")
        self._host = f"{urlsplit(base).netloc.lower()} {_whose(account, *secrets)}"
        self._vendor = vendor
        self._rate_limits = rate_limits
        self._headers = {"User-Agent": "gonogo", **(headers or {})}
        self._identity = identity
        self.ahead: timedelta | None = None
        """How far the vendor's clock is ahead of ours by its last answer, within a second or
        two; None before the first.
        """
        self._secrets = tuple(sorted(filter(None, secrets), key=len, reverse=True))
        self._budget = budget or Budget()
        self._sleep = sleep
        self._jitter = jitter or (lambda longest: random.uniform(0, longest))  # noqa: S311 - nothing secret depends on it
        self._seen = Seen()

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        text: bool = False,
        moves: bool = False,
    ) -> Reply:
        """Read; repeated while that can help. An answer that has not changed since the last time
        costs the vendor nothing (ETag).

        ``moves`` says that a redirect is a good answer, as after a login; it is not followed.
        """
        return await self._go(
            Call("GET", path, params or {}, None, headers or {}, text, repeatable=True, moves=moves)
        )

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> Reply:
        """Write, once. ``repeatable`` says that doing it twice is doing it
        once, as with a cancellation.
        """
        return await self._go(
            Call(method, path, params or {}, body, headers or {}, text=False, repeatable=repeatable)
        )

    async def listen(
        self, path: str, *, silence: float, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        """Give the lines of an endless answer (server-sent events) until it ends, or nothing has
        come for ``silence`` seconds.
        """
        call = Call("GET", path, {}, None, headers or {}, text=True, repeatable=False)
        await self._wait_for_turn(call, self._budget.longest_wait)
        shown = {
            **self._headers,
            **(await self._identity.headers() if self._identity else {}),
            **call.headers,
        }
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._budget.timeout, sock_read=silence
        )
        try:
            async with self._session.get(
                f"{self._base}{path}", headers=shown, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.OK:
                    found = {name.lower(): value for name, value in response.headers.items()}
                    raise self._refused(
                        call, response.status, found, await self._read(call, response)
                    )
                async for line in response.content:
                    yield line.decode(errors="replace").rstrip("\r\n")
        except (TimeoutError, aiohttp.ClientError, OSError, LineTooLong) as error:
            raise self._failed(
                call, f"{self._vendor} broke off ({type(error).__name__})"
            ) from error

    def redact(self, text: str) -> str:
        """Take everything secret out of a text."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _TOKENS.sub("***", text)

    async def _go(self, call: Call) -> Reply:
        waited, renewed = 0.0, False
        for attempt in range(1, self._budget.tries + 1):
            waited += await self._wait_for_turn(call, self._budget.longest_wait - waited)
            try:
                return await self._once(call)
            except RestError as error:
                if (
                    error.status == HTTPStatus.UNAUTHORIZED
                    and self._identity
                    and not renewed
                    and attempt < self._budget.tries
                ):
                    renewed = True  # nothing was done, and the next headers are new ones
                    continue
                pause = max(self._pause(attempt), error.wait)
                in_vain = (
                    not error.retry
                    or attempt == self._budget.tries
                    or waited + pause > self._budget.longest_wait
                )
                unsafe = not call.repeatable and (error.perhaps_done or error.status is not None)
                if in_vain or unsafe:
                    raise
                log.info(
                    "asking again",
                    vendor=self._vendor,
                    call=call.name,
                    status=error.status,
                    pause=round(pause, 2),
                )
                if not self._rate_limits.wait(self._host):
                    # a limit holds for all callers, and is waited for above
                    await self._sleep(pause)
                    waited += pause
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def _pause(self, attempt: int) -> float:
        return self._jitter(self._budget.first_pause * 2.0**attempt)

    async def _wait_for_turn(self, call: Call, longest_wait: float) -> float:
        waited = 0.0
        while (wait := self._rate_limits.wait(self._host)) > 0:
            if waited + wait > longest_wait:
                sentence = (
                    f"{self._vendor} asks to be left alone for {round(wait) or 1} s more; "
                    f"{call.name} was not sent."
                )
                raise RestError(
                    sentence, vendor=self._vendor, status=HTTPStatus.TOO_MANY_REQUESTS, wait=wait
                )
            await self._sleep(wait)
            waited += wait
        return waited

    async def _once(self, call: Call) -> Reply:
        began = time.perf_counter()
        outcome = "failed"
        try:
            reply = await self._answered(call)
            outcome = "ok"
        except RestError as error:
            outcome = _outcome(error)
            raise
        else:
            return reply
        finally:
            self._rate_limits.observer.called(self._vendor, outcome, time.perf_counter() - began)

    async def _answered(self, call: Call) -> Reply:
        try:
            return await self._exchange(call)
        except aiohttp.ClientConnectorError as error:
            raise self._failed(call, f"{self._vendor} cannot be reached") from error
        except TimeoutError as error:
            raise self._failed(
                call,
                f"{self._vendor} did not answer within {self._budget.timeout:g} s",
                unclear=True,
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._failed(
                call, f"{self._vendor} broke the connection ({type(error).__name__})", unclear=True
            ) from error

    async def _exchange(self, call: Call) -> Reply:
        shown = await self._identity.headers() if self._identity else {}
        headers = {**self._headers, **shown, **call.headers}
        known = self._seen.of(call)
        if known:
            headers["If-None-Match"] = known.headers["etag"]
        async with self._session.request(
            call.method, f"{self._base}{call.path}",
            params=call.params or None, json=call.body, headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._budget.timeout), allow_redirects=False,
        ) as response:  # fmt: skip
            found = {name.lower(): value for name, value in response.headers.items()}
            self._compare_clocks(found)
            body = await self._read(call, response)
        if response.status == HTTPStatus.UNAUTHORIZED and self._identity:
            self._identity.was_refused()
        if known and response.status == HTTPStatus.NOT_MODIFIED:
            self._obey(found)
            return Reply(known.status, {**known.headers, **found}, known.data)
        if (
            not HTTPStatus.OK
            <= response.status
            < (HTTPStatus.BAD_REQUEST if call.moves else HTTPStatus.MULTIPLE_CHOICES)
        ):
            raise self._refused(call, response.status, found, body)
        self._obey(found)
        reply = Reply(response.status, found, await self._understood(call, body))
        self._seen.keep(call, reply, len(body))
        return reply

    def _compare_clocks(self, headers: Mapping[str, str]) -> None:
        theirs = date(headers.get("date", ""))
        if theirs:
            self.ahead = timedelta(seconds=round(theirs.timestamp() - time.time()))

    async def _read(self, call: Call, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._budget.body_cap:
                response.close()
                sentence = (
                    f"{self._vendor} answers more than "
                    f"{self._budget.body_cap:,} bytes to {call.name}."
                )
                raise RestError(
                    sentence,
                    vendor=self._vendor,
                    status=response.status,
                    retry=False,
                    perhaps_done=not call.is_read,
                )
        return bytes(body)

    async def _understood(self, call: Call, body: bytes) -> Any:
        if not body.strip():
            return None
        try:
            return body.decode() if call.text else await json_beside(body, ANSWER)
        except ValueError as error:
            raise self._failed(
                call, f"{self._vendor} gave an answer that cannot be read", unclear=True
            ) from error
        except Unreadable as error:
            why = str(error).replace("The answer", "it").removesuffix(".")
            failed = self._failed(
                call, f"{self._vendor} gave an answer that cannot be read: {why}", unclear=True
            )
            # the next answer would be as large, and cost as much
            failed.retry = error.fault is Fault.FORM
            raise failed from error

    def _obey(self, headers: Mapping[str, str]) -> None:
        """Leave the host alone when this answer was the last one that its budget allows."""
        if is_used_up(headers):
            self._leave_alone(until_reset(headers) or USUAL_PAUSE)

    def _leave_alone(self, seconds: float) -> None:
        self._rate_limits.leave_alone(self._host, seconds)
        self._rate_limits.observer.paused(self._vendor, min(seconds, LONGEST_PAUSE))

    def _refused(
        self, call: Call, status: int, headers: Mapping[str, str], body: bytes
    ) -> RestError:
        said = self.redact(words_of(body))
        wait = min(limit(status, headers, said), LONGEST_PAUSE)
        if wait:
            self._leave_alone(wait)
        sentence = self.redact(
            f"{self._vendor} answered {status} to "
            f"{call.name}{_meaning(status, headers, limited=wait > 0)}"
        )
        return RestError(
            f"{sentence}: {said}" if said else f"{sentence}.",
            vendor=self._vendor,
            status=status,
            retry=passes(status) or wait > 0,
            perhaps_done=not call.is_read and is_unclear(status),
            wait=wait or rest_of_call(status, headers),
        )

    def _failed(self, call: Call, what: str, *, unclear: bool = False) -> RestError:
        sentence = self.redact(f"{what} ({call.name}).")
        return RestError(sentence, vendor=self._vendor, perhaps_done=unclear and not call.is_read)


def _whose(*names: str) -> str:
    """Name an account without telling its secrets: vendors count the calls of each by itself, and a
    limit of one is none of another.
    """
    return sha256("\0".join(sorted(names)).encode()).hexdigest()[:16]


def _outcome(error: RestError) -> str:
    """Name what a request came to, for the figures. A fault of the vendor's own with a Retry-After
    is a fault, not a limit.
    """
    if error.status is None or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed"
    return "limited" if error.wait else "refused"


def _meaning(status: int, headers: Mapping[str, str], *, limited: bool) -> str:
    """Say what to do about a refusal."""
    if limited:
        return " (rate limit)"
    if status == HTTPStatus.UNAUTHORIZED:
        return " (the token is wrong, expired or revoked)"
    if status == HTTPStatus.FORBIDDEN:
        needed = headers.get("x-accepted-github-permissions", "")
        return f" (the token needs {needed})" if needed else " (the token may not do this)"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return " (it has moved; redirects are not followed, so configure its new address)"
    return ""
