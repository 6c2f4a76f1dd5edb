"""The intake: where HTTP and Socket Mode meet. It gives a payload to Bolt and takes the ack."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from copy import copy
from datetime import datetime
from typing import Any, Protocol

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.actions import Action
from bot.domain.catalog import Catalog
from bot.domain.errors import NotPossible
from bot.domain.people import Person
from bot.ports.talk import Answer, Intent
from bot.ports.time import Clock
from bot.ports.work import Inbox
from handlers.slack.shapes import is_known

log = structlog.get_logger(__name__)

ACK_TIMEOUT = 2.0
"""Seconds that an ack waits for the database; Slack waits three."""
NOT_READ = 400
"""The status of what has no shape of Slack's."""
LAST_CALL = 5.0
"""Seconds that a shutdown waits for dialogs that are being opened."""


class Forms(Protocol):
    """Opens dialogs. A trigger is good for three seconds, so these run beside
    the ack, never before it.
    """

    async def deploy(self, trigger: str, person: Person, *, channel: str) -> None:
        """Open the dialog that asks for a deployment, or say who may."""
        ...

    async def narrow_deploy(self, view: dict[str, Any], service: str, person: Person) -> None:
        """Show the picked service's environments in the open dialog."""
        ...

    async def tick(
        self, trigger: str, deployment: str, person: Person, *, channel: str, shown: str = ""
    ) -> None:
        """Open the checklist with the person's own items."""
        ...

    async def reason(
        self,
        trigger: str,
        action: Action,
        deployment: str,
        person: Person,
        *,
        channel: str,
        shown: str = "",
    ) -> None:
        """Ask why, or say why not."""
        ...

    async def show(
        self, trigger: str, action: Action, deployment: str, person: Person, *, channel: str
    ) -> None:
        """Show something to be read, or say why not."""
        ...

    async def home(self, person: Person) -> None:
        """Show somebody their App Home."""
        ...

    def answer(self, answer: Answer) -> dict[str, Any]:
        """Draw an answer that an ack gives: its text and blocks."""
        ...


class Nudge(Protocol):
    """Tells the command worker that something was accepted."""

    def __call__(self, intent: Intent) -> None:
        """Take an accepted intent up."""
        ...


class SlackIntake:
    """What listeners need: the inbox, the forms, the catalog, the clock."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        inbox: Inbox,
        nudge: Nudge,
        forms: Forms,
        clock: Clock,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        self.catalog = catalog
        self.forms = forms
        self._inbox = inbox
        self._nudge = nudge
        self._clock = clock
        self._patience = ack_timeout
        self._bolt: AsyncApp | None = None
        self._client: AsyncWebClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return self._clock.now()

    def is_outsider(self, person: Person) -> bool:
        """Tell somebody of another company, who can press buttons in a shared channel."""
        return person.team != self.catalog.team

    # What listeners ask for ---------------------------------------------------------------------

    async def accept(self, intent: Intent) -> bool:
        """Store an intent, and have it taken up if it is new. Only then may it be acknowledged.

        Raises NotPossible when the database takes longer than Slack would wait: then it may be
        stored later, and is carried out if so.
        """
        try:
            async with asyncio.timeout(self._patience):
                accepted = await self._inbox.accept(intent)
        except TimeoutError:
            self._own(self._accept_late(intent), "late accept")
            raise NotPossible(
                "The database is slow, so I cannot say whether this was taken. Look at /deploy "
                "status before you try again."
            ) from None
        if accepted:
            self._nudge(intent)
        return accepted

    async def _accept_late(self, intent: Intent) -> None:
        """Wait for what nobody waits for any more; it may be stored already, and carrying out an
        intent twice does it once.
        """
        await self._inbox.accept(intent)
        self._nudge(intent)

    def show(self, opening: Coroutine[Any, Any, None], *, to: Person, channel: str) -> None:
        """Open a dialog beside the ack. When it cannot be opened the person is told so."""
        self._own(self._open(opening, to, channel), "dialog")

    def whisper(self, to: Person, channel: str, sentence: str) -> None:
        """Say something to one person where an ack cannot say it (Slack shows
        nothing of the ack of a click).
        """
        self._own(self._say(to, channel, sentence), "whisper")

    async def _open(self, opening: Coroutine[Any, Any, None], to: Person, channel: str) -> None:
        try:
            await opening
        except Exception:
            log.exception("a dialog could not be opened")
            await self._say(to, channel, "That could not be opened. Try again.")

    async def _say(self, to: Person, channel: str, sentence: str) -> None:
        """Slack takes a user's id for the channel of the direct message with them."""
        client = self._client
        if client is None or not to.user:
            return
        try:
            if channel and channel != to.user:
                await client.chat_postEphemeral(
                    channel=channel, user=to.user, text=sentence, link_names=False
                )
            else:
                await client.chat_postMessage(channel=to.user, text=sentence, link_names=False)
        except Exception as error:  # noqa: BLE001 - nothing depends on it
            log.warning("a word to a person was lost", error=type(error).__name__)

    # What the doors ask for ---------------------------------------------------------------------

    def serve(self, bolt: AsyncApp, client: AsyncWebClient) -> None:
        """Say which Bolt application has the listeners, and by which client people are spoken to:
        Bolt's own has no token.
        """
        self._bolt, self._client = bolt, client

    async def dispatch(self, payload: dict[str, Any]) -> tuple[int, str]:
        """Give an authentic payload to its listener; return status and body of the ack."""
        if self._bolt is None:
            return 503, ""
        if not is_known(payload):
            return NOT_READ, ""
        try:
            answer = await self._bolt.async_dispatch(
                AsyncBoltRequest(mode="socket_mode", body=payload)
            )
        except Exception as error:  # noqa: BLE001 - whatever Bolt makes of a strange payload, the sender is told and nothing else happens
            log.warning(
                "a payload could not be dispatched",
                kind=payload.get("type"),
                error=type(error).__name__,
            )
            return NOT_READ, ""
        if answer.status >= 500:  # noqa: PLR2004 - Bolt's own fault with a payload; ours are explained to the person
            log.warning(
                "a payload was not understood", kind=payload.get("type"), status=answer.status
            )
            return NOT_READ, ""
        if answer.status == 404 and payload.get("type") in {  # noqa: PLR2004 - nobody listens
            "event_callback",
            "view_closed",
            "app_rate_limited",
        }:
            return 200, ""  # Slack would send it again and again
        return answer.status, answer.body or ""

    async def close(self) -> None:
        """Let what was begun beside an ack come to its end."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST_CALL)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error(
                "what was begun beside an ack failed",
                task=task.get_name(),
                error=str(task.exception()),
            )


def _nobodys(client: AsyncWebClient) -> AsyncWebClient:
    """Give the client without its token: Bolt takes the one that ``authorize``
    gives, and warns of any other.
    """
    twin = copy(client)
    twin.token = None
    return twin


def bolt_app(client: AsyncWebClient, *, token: str, team: str, bot_user: str, bot: str) -> AsyncApp:
    """Make the Bolt application. It verifies nothing itself: the verification (or Socket
    Mode) is the only way in.
    """

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None, team_id=team, bot_user_id=bot_user, bot_id=bot, bot_token=token
        )

    return AsyncApp(
        client=_nobodys(client), authorize=authorize, signing_secret="checked-by-the-guard",  # noqa: S106 - not a secret
        process_before_response=True, request_verification_enabled=False,
        ssl_check_enabled=False, url_verification_enabled=False,
        ignoring_self_events_enabled=False,
    )  # fmt: skip
