"""The one client for Slack's Web API: one shared session, every call with a timeout,
nothing sent twice by itself.

slack_sdk's default retry sends a post again when its answer was lost, and so posts twice; here no
call is repeated. What to do about a failure is decided by the caller, who is told whether the call
may have been carried out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.domain.errors import IntegrationError
from bot.slack.blocks import Drawn

SLACK_API = "https://slack.com/api/"
HOOKS = "https://hooks.slack.com"
TIMEOUT = 10.0
UPLOAD_TIMEOUT = 30.0
USUAL_WAIT = 30.0
"""What a 429 without a readable Retry-After means, in seconds."""
LONGEST_WAIT = 600.0

RATE_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
IN_TROUBLE = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
"""Errors of Slack's own; the call may have been carried out all the same."""

ACCOUNT = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked",
        "token_expired", "not_allowed_token_type", "org_login_required",
        "ekm_access_denied", "team_access_not_granted",
        "enterprise_is_restricted", "two_factor_setup_required", "accesslimited",
        "access_denied", "team_not_found", "user_removed_from_team", "user_is_restricted",
    }
)  # fmt: skip
"""Slack refuses us, whatever we ask: a person has to mend that, and then the same call is taken."""
NO_SCOPE = "missing_scope"
"""Refuses one method; where it is a method that says something, nothing can be said."""

METADATA_EVENT = "gonogo"
LONGEST_ALT = 1000
"""Characters that describe a picture; Slack refuses longer ones."""


class SlackError(IntegrationError):
    """Slack said no, or nothing. ``code`` is Slack's error name; ``wait`` is how long a 429
    asks to wait, in seconds.

    ``perhaps_done`` is True when the call may have been carried out although no good answer came.
    ``is_account`` is True when Slack refuses the bot and not this call: then everything waits,
    and nothing is given up.
    """

    def __init__(
        self, method: str, code: str, *, status: int | None = None,
        retry: bool, perhaps_done: bool = False, wait: float = 0.0,
        is_account: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            f"Slack did not carry out {method}: {code}", vendor="Slack", status=status, retry=retry
        )
        self.method = method
        self.code = code
        self.perhaps_done = perhaps_done
        self.wait = wait
        self.is_account = is_account


Called = Callable[[str, float], None]
"""Hears of each call what came of it (ok, refused, limited, failed) and
how many seconds it took.
"""


def _nobody(_outcome: str, _seconds: float) -> None:
    """Count nothing."""


class SlackClient:
    """Slack's Web API as the bot uses it. Every method raises SlackError."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        token: str,
        base_url: str = SLACK_API,
        timeout: float = TIMEOUT,
        called: Called = _nobody,
    ) -> None:
        self._called = called
        self._session = session
        self._timeout = timeout
        self.web = AsyncWebClient(
            token=token,
            base_url=base_url,
            timeout=int(timeout) or 1,
            session=session,
            retry_handlers=[],
        )
        """The client underneath, for Bolt."""
        # it knows no NO_PROXY; the session chooses, as for every other vendor
        self.web.proxy = None
        self._answer_origins = {_origin(HOOKS), _origin(base_url)}

    async def post(
        self, channel: str, drawn: Drawn, *, key: str, thread: str = ""
    ) -> tuple[str, str]:
        """Post a message; return its channel's id and its ts. ``key`` travels in the metadata, so
        that it can be found again.
        """
        metadata = {"event_type": METADATA_EVENT, "event_payload": {"key": key}}
        call = self.web.chat_postMessage(
            channel=channel, text=drawn.text, blocks=drawn.blocks,
            thread_ts=thread or None, metadata=metadata,
            link_names=False, unfurl_links=False, unfurl_media=False,
        )  # fmt: skip
        posted = await self._asked("chat.postMessage", call)
        return str(posted.get("channel") or channel), str(posted.get("ts", ""))

    async def update(self, channel: str, ts: str, drawn: Drawn, *, key: str) -> None:
        """Edit a message in place."""
        metadata = {"event_type": METADATA_EVENT, "event_payload": {"key": key}}
        call = self.web.chat_update(
            channel=channel,
            ts=ts,
            text=drawn.text,
            blocks=drawn.blocks,
            metadata=metadata,
            link_names=False,
        )
        await self._asked("chat.update", call)

    async def permalink(self, channel: str, ts: str) -> str:
        """Ask for a message's web address."""
        answer = await self._asked(
            "chat.getPermalink", self.web.chat_getPermalink(channel=channel, message_ts=ts)
        )
        return str(answer.get("permalink") or "")

    async def whisper(self, channel: str, user: str, drawn: Drawn, *, thread: str = "") -> None:
        """Say something in a channel that only one person sees."""
        call = self.web.chat_postEphemeral(
            channel=channel,
            user=user,
            text=drawn.text,
            blocks=drawn.blocks,
            thread_ts=thread or None,
            link_names=False,
        )
        await self._asked("chat.postEphemeral", call)

    async def respond(self, response_url: str, drawn: Drawn) -> None:
        """Answer through a response_url. Raises SlackError also for an
        address that is not Slack's.
        """
        if not self.is_answer_address(response_url):
            raise SlackError("response_url", "not an address of Slack's", retry=False)
        body = {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": drawn.text,
            "blocks": drawn.blocks,
        }
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.post(response_url, json=body, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise SlackError(
                "response_url", type(error).__name__, retry=True, perhaps_done=True
            ) from error
        if status != 200:  # noqa: PLR2004 - the one status that means yes
            raise SlackError("response_url", f"status {status}", status=status, retry=status >= 500)  # noqa: PLR2004

    def is_answer_address(self, response_url: str) -> bool:
        """Tell whether an address is one of Slack's own (or of the emulator
        that the bot is pointed at).
        """
        try:
            return _origin(response_url) in self._answer_origins
        except ValueError:
            return False

    async def open_dm(self, user: str) -> str:
        """Open the direct message with a user and return its channel."""
        opened = await self._asked("conversations.open", self.web.conversations_open(users=user))
        return str((opened.get("channel") or {}).get("id", ""))

    async def find(
        self, channel: str, key: str, *, thread: str = "", oldest: str = "0", pages: int = 5
    ) -> str:
        """Look for a message that carries a key, newest first, and return its ts;
        empty when it is not there.
        """
        cursor = ""
        for _ in range(pages):
            page = await self._history(channel, thread, oldest, cursor)
            for message in page.get("messages") or []:
                metadata = message.get("metadata") or {}
                if (
                    metadata.get("event_type") == METADATA_EVENT
                    and (metadata.get("event_payload") or {}).get("key") == key
                ):
                    return str(message["ts"])
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return ""

    async def look_into(self, channel: str) -> None:
        """Read the newest message of a channel, to know whether it is
        there and the bot is in it.
        """
        await self._asked(
            "conversations.history", self.web.conversations_history(channel=channel, limit=1)
        )

    async def _history(
        self, channel: str, thread: str, oldest: str, cursor: str
    ) -> Mapping[str, Any]:
        more = {"cursor": cursor} if cursor else {}
        if thread:
            replies = self.web.conversations_replies(
                channel=channel,
                ts=thread,
                oldest=oldest,
                limit=200,
                include_all_metadata=True,
                inclusive=True,
                **more,
            )
            return await self._asked("conversations.replies", replies)
        history = self.web.conversations_history(
            channel=channel,
            oldest=oldest,
            limit=200,
            include_all_metadata=True,
            inclusive=True,
            **more,
        )
        return await self._asked("conversations.history", history)

    async def upload(
        self, channel: str, thread: str, picture: bytes, *, name: str, title: str, alt: str
    ) -> None:
        """Put a picture into a thread; ``alt`` says what it shows to who does not see it."""
        call = self.web.files_upload_v2(
            channel=channel,
            thread_ts=thread,
            content=picture,
            filename=name,
            title=title,
            alt_txt=alt[:LONGEST_ALT],
        )
        await self._asked("files.completeUploadExternal", call, timeout=UPLOAD_TIMEOUT)

    async def user(self, id: str) -> Mapping[str, Any]:
        """Look a user up."""
        user = (await self._asked("users.info", self.web.users_info(user=id))).get("user")
        return user if isinstance(user, dict) else {}

    async def members(self, group: str) -> Sequence[str]:
        """List the user ids of a user group."""
        listed = await self._asked(
            "usergroups.users.list", self.web.usergroups_users_list(usergroup=group)
        )
        return [str(user) for user in listed.get("users") or []]

    async def open_view(self, trigger_id: str, view: Mapping[str, Any]) -> None:
        """Open a dialog. A trigger is good for one: a click that is delivered
        twice has opened it already.
        """
        try:
            await self._asked(
                "views.open", self.web.views_open(trigger_id=trigger_id, view=dict(view))
            )
        except SlackError as error:
            if error.code != "exchanged_trigger_id":
                raise

    async def update_view(self, view_id: str, hash: str, view: Mapping[str, Any]) -> None:
        """Change an open dialog, unless it has changed since."""
        await self._asked(
            "views.update",
            self.web.views_update(view_id=view_id, hash=hash or None, view=dict(view)),
        )

    async def publish_home(self, user: str, view: Mapping[str, Any]) -> None:
        """Show somebody their App Home."""
        await self._asked("views.publish", self.web.views_publish(user_id=user, view=dict(view)))

    async def who_am_i(self) -> Mapping[str, Any]:
        """Test the token: team, user and bot id."""
        return await self._asked("auth.test", self.web.auth_test())

    async def app_of(self, bot: str) -> str:
        """Name the app that a bot belongs to."""
        found = (await self._asked("bots.info", self.web.bots_info(bot=bot))).get("bot")
        return str(found.get("app_id") or "") if isinstance(found, dict) else ""

    async def identity(self) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Test the token, and give the answer's headers too (lower case):
        ``x-oauth-scopes``, ``date``.
        """
        answer = await self._answer("auth.test", self.web.auth_test())
        return _data(answer), {
            str(name).lower(): str(value) for name, value in dict(answer.headers).items()
        }

    async def _asked(
        self, method: str, call: Awaitable[AsyncSlackResponse], timeout: float | None = None
    ) -> Mapping[str, Any]:
        return _data(await self._answer(method, call, timeout))

    async def _answer(
        self, method: str, call: Awaitable[AsyncSlackResponse], timeout: float | None = None
    ) -> AsyncSlackResponse:
        began, outcome = time.perf_counter(), "failed"
        try:
            answer = await self._carried_out(method, call, timeout)
            outcome = "ok"
        except SlackError as error:
            outcome = "limited" if error.wait else "failed" if error.retry else "refused"
            raise
        finally:
            self._called(outcome, time.perf_counter() - began)
        return answer

    async def _carried_out(
        self, method: str, call: Awaitable[AsyncSlackResponse], timeout: float | None
    ) -> AsyncSlackResponse:
        try:
            async with asyncio.timeout(timeout or self._timeout):
                return await call
        except SlackApiError as error:
            raise _refused(method, error) from error
        except aiohttp.ClientConnectorError as error:
            raise SlackError(method, "no connection", retry=True) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise SlackError(method, type(error).__name__, retry=True, perhaps_done=True) from error
        except (SlackClientError, ValueError) as error:
            raise SlackError(
                method, type(error).__name__, retry=False, perhaps_done=True
            ) from error


def _data(answer: AsyncSlackResponse) -> Mapping[str, Any]:
    return answer.data if isinstance(answer.data, dict) else {}


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _refused(method: str, error: SlackApiError) -> SlackError:
    response = error.response
    body = getattr(response, "data", response)
    code = str(body.get("error", "")) if isinstance(body, dict) else ""
    status = getattr(response, "status_code", None)
    if status == 429 or code in RATE_LIMITED:  # noqa: PLR2004 - too many requests
        return SlackError(
            method,
            "ratelimited",
            status=status,
            retry=True,
            wait=_wait(getattr(response, "headers", {})),
        )
    if code in ACCOUNT or status == 401 or (code == NO_SCOPE and method.startswith("chat.")):  # noqa: PLR2004 - unauthorised
        return SlackError(
            method, code or f"status {status}", status=status, retry=True, is_account=True
        )
    unclear = not code or code in IN_TROUBLE or (status or 0) >= 500  # noqa: PLR2004 - the server's own errors
    return SlackError(
        method, code or f"status {status}", status=status, retry=unclear, perhaps_done=unclear
    )


def _wait(headers: Mapping[str, str]) -> float:
    """Read Retry-After; what cannot be read means the usual wait."""
    found = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    try:
        seconds = float(found)
    except ValueError:
        return USUAL_WAIT
    return min(seconds, LONGEST_WAIT) if 0 <= seconds < float("inf") else USUAL_WAIT
