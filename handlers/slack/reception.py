"""The reception: where HTTP and Socket Mode meet. It gives a payload to Bolt and takes the ack."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Protocol

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.card import Action
from bot.domain.catalog import Catalog
from bot.domain.people import Person
from bot.ports import Clock, Inbox, Intent

log = structlog.get_logger(__name__)


class Forms(Protocol):
    """Opens dialogs. A trigger is good for three seconds, so these are called right after the ack, never before it."""

    async def deploy(self, trigger: str, *, channel: str) -> None:
        """Open the dialog that asks for a deployment."""
        ...

    async def narrow_deploy(self, view: dict[str, Any], service: str) -> None:
        """Show the picked service's environments in the open dialog."""
        ...

    async def tick(self, trigger: str, deployment: str, person: Person, *, channel: str) -> None:
        """Open the checklist with the person's own items."""
        ...

    async def reason(self, trigger: str, action: Action, deployment: str, *, channel: str) -> None:
        """Ask why."""
        ...

    async def home(self, person: Person) -> None:
        """Show somebody their App Home."""
        ...


class Nudge(Protocol):
    """Tells the desk that something was accepted."""

    def __call__(self, intent: Intent) -> None:
        """Take an accepted intent up."""
        ...


class Reception:
    """What listeners need: the inbox, the forms, the catalog, the clock."""

    def __init__(self, *, catalog: Catalog, inbox: Inbox, nudge: Nudge, forms: Forms, clock: Clock) -> None:
        self.catalog = catalog
        self.forms = forms
        self._inbox = inbox
        self._nudge = nudge
        self._clock = clock
        self._bolt: AsyncApp | None = None
        self._shown: set[asyncio.Task[None]] = set()

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return self._clock.now()

    async def accept(self, intent: Intent) -> bool:
        """Store an intent, and have it taken up if it is new. Only then may it be acknowledged."""
        accepted = await self._inbox.accept(intent)
        if accepted:
            self._nudge(intent)
        return accepted

    def show(self, opening: Coroutine[Any, Any, None]) -> None:
        """Open a dialog beside the ack. A dialog that cannot be opened is logged; the person presses again."""
        task = asyncio.create_task(self._open(opening), name="dialog")
        self._shown.add(task)
        task.add_done_callback(self._shown.discard)

    async def _open(self, opening: Coroutine[Any, Any, None]) -> None:
        try:
            await opening
        except Exception:
            log.exception("a dialog could not be opened")

    def serve(self, bolt: AsyncApp) -> None:
        """Say which Bolt application has the listeners."""
        self._bolt = bolt

    async def dispatch(self, payload: dict[str, Any]) -> tuple[int, str]:
        """Give an authentic payload to its listener; return status and body of the ack."""
        if self._bolt is None:
            return 503, ""
        try:
            answer = await self._bolt.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=payload))
        except Exception:
            log.exception("a payload could not be dispatched", kind=payload.get("type"))
            return 400, ""
        return answer.status, answer.body or ""

    async def close(self) -> None:
        """Let the dialogs that are being opened open."""
        await asyncio.gather(*self._shown, return_exceptions=True)


def bolt_app(client: AsyncWebClient, *, token: str, team: str, bot_user: str, bot: str) -> AsyncApp:
    """Make the Bolt application. It verifies nothing itself: the guard (or Socket Mode) is the only way in."""

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id=team, bot_user_id=bot_user, bot_id=bot, bot_token=token)

    return AsyncApp(
        client=client, authorize=authorize, signing_secret="checked-by-the-guard",  # noqa: S106 - not a secret
        process_before_response=True, request_verification_enabled=False, ssl_check_enabled=False, url_verification_enabled=False,
        ignoring_self_events_enabled=False,
    )  # fmt: skip
