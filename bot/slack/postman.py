"""Posting once, whatever happens: the intent is stored first, and after a doubt Slack is searched
before anything is posted again.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import structlog

from bot.ports.talk import Posting, Postings
from bot.slack.blocks import Drawn
from bot.slack.client import SlackClient, SlackError
from bot.slack.pacing import UPDATE, Pacing

log = structlog.get_logger(__name__)

POST = "chat.postMessage"
OPEN = "conversations.open"
HISTORY = "conversations.history"
UPLOAD = "files.completeUploadExternal"

MOST_REMEMBERED = 20_000

T = TypeVar("T")


class NotYet(Exception):  # noqa: N818 - it is no error
    """A call has to wait ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not for another {seconds:.1f} s")
        self.seconds = seconds


class Postman:
    """Carries messages to Slack at Slack's pace. Raises NotYet where it has
    to wait, and SlackError.
    """

    def __init__(self, client: SlackClient, postings: Postings, pacing: Pacing) -> None:
        self._client = client
        self._postings = postings
        self._pacing = pacing
        self._certainly_not: set[str] = set()
        """Keys that are intended and known not to have been posted, because Slack
        said so to this process.
        """
        self._direct: dict[str, str] = {}
        self._known: dict[str, Posting] = {}
        """What has been posted; nobody else writes it down, so that it need not be read again."""
        self._buttons: dict[str, frozenset[str]] = {}
        """What can be done on messages that were shown by this process."""
        self.refused = ""
        """How Slack refuses the whole account, while it does: nothing can be said until
        a person has mended that.
        """

    async def posting(self, key: str) -> Posting | None:
        """Recall a posting."""
        known = self._known.get(key) or await self._postings.get(key)
        if known is not None and known.ts:
            self._remember(known)
        return known

    async def post(
        self, key: str, channel: str, drawn: Drawn, *, thread: str = "", oldest: str = "0"
    ) -> Posting:
        """Post a message, unless it has been posted; ``oldest`` is a ts before
        which it cannot have been.
        """
        posting = await self.posting(key)
        if posting is not None and posting.ts:
            return posting
        self.ready(POST, channel)
        found = ""
        if posting is None:
            posting = await self._postings.intend(key, channel)
        elif key not in self._certainly_not:
            found = await self._look(posting, thread=thread, oldest=oldest)
        if found:
            return await self._posted(Posting(key, posting.channel, found))
        try:
            place, ts = await self.ask(
                POST, channel, self._client.post(channel, drawn, key=key, thread=thread)
            )
        except SlackError as error:
            self._learn(key, error)
            raise
        self._offers(key, drawn)
        return await self._posted(Posting(key, place, ts, drawn.digest))

    async def edit(self, posting: Posting, drawn: Drawn, *, is_end: bool = False) -> None:
        """Edit a message, unless it shows the same already. What it asked for and does not any more
        is taken away before other edits.
        """
        if posting.digest == drawn.digest:
            return
        self.ready(
            UPDATE, posting.channel, is_urgent=is_end or self._takes_away(posting.key, drawn)
        )
        await self.ask(
            UPDATE,
            posting.channel,
            self._client.update(posting.channel, posting.ts, drawn, key=posting.key),
        )
        self._offers(posting.key, drawn)
        await self._save(Posting(posting.key, posting.channel, posting.ts, drawn.digest))

    def _offers(self, key: str, drawn: Drawn) -> None:
        if len(self._buttons) >= MOST_REMEMBERED:
            self._buttons.clear()
        self._buttons[key] = drawn.buttons

    def _takes_away(self, key: str, drawn: Drawn) -> bool:
        """Tell whether less can be done on a message than before; where that is not known, whether
        nothing can be done any more.
        """
        before = self._buttons.get(key)
        return not drawn.buttons if before is None else not before <= drawn.buttons

    async def forget(self, key: str, channel: str) -> None:
        """Have a message posted anew, in this channel: where it was it
        is certainly not any more.
        """
        await self._save(Posting(key, channel))
        self._certainly_not.add(key)

    async def picture(
        self, key: str, posting: Posting, picture: bytes, *, title: str, alt: str
    ) -> None:
        """Put a picture into a message's thread, at most once: it cannot be searched for, and one
        too few is better than one too many.
        """
        if await self.posting(key) is not None and key not in self._certainly_not:
            return
        self.ready(UPLOAD, posting.channel)
        await self._postings.intend(key, posting.channel)
        upload = self._client.upload(
            posting.channel, posting.ts, picture, name="metrics.png", title=title, alt=alt
        )
        try:
            await self.ask(UPLOAD, posting.channel, upload)
        except SlackError as error:
            self._learn(key, error)
            if error.retry and not error.perhaps_done:
                raise
            return
        await self._posted(Posting(key, posting.channel, posting.ts))

    async def place(self, channel: str) -> str:
        """Find the channel that is meant; a user's id means the direct channel with them."""
        return await self.direct(channel) if channel[:1] in {"U", "W"} else channel

    async def direct(self, user: str) -> str:
        """Find the direct channel with a user."""
        if user not in self._direct:
            self.ready(OPEN, "")
            self._direct[user] = await self.ask(OPEN, "", self._client.open_dm(user))
        return self._direct[user]

    def ready(self, method: str, channel: str, *, is_urgent: bool = False) -> None:
        """Raise NotYet unless a call may go out now."""
        wait = self._pacing.wait(method, channel, is_urgent=is_urgent)
        if wait > 0:
            raise NotYet(wait)

    async def ask(self, method: str, channel: str, call: Awaitable[T]) -> T:
        """Make a call and learn from what happens to it."""
        self._pacing.called(method, channel)
        try:
            answer = await call
        except SlackError as error:
            self._heed(method, channel, error)
            raise
        self._heard()
        return answer

    def _heed(self, method: str, channel: str, error: SlackError) -> None:
        if error.is_account and not self.refused:
            log.error(
                (
                    "Slack refuses the bot; everything waits, and goes on by itself "
                    "when Slack takes it again"
                ),
                method=method,
                why=error.code,
            )
        self.refused = error.code if error.is_account else self.refused
        if error.wait:
            self._pacing.refused(method, channel, error.wait)
        elif error.retry:
            self._pacing.missed()

    def _heard(self) -> None:
        if self.refused:
            log.warning("Slack takes the bot's calls again", refused=self.refused)
        self.refused = ""
        self._pacing.answered()

    async def _look(self, posting: Posting, *, thread: str, oldest: str) -> str:
        self.ready(HISTORY, posting.channel)
        look = self._client.find(posting.channel, posting.key, thread=thread, oldest=oldest)
        try:
            return await self.ask(HISTORY, posting.channel, look)
        except SlackError as error:
            if error.retry:
                raise
            return ""  # it may not or cannot be searched: then it is posted, perhaps a second time

    async def _posted(self, posting: Posting) -> Posting:
        self._certainly_not.discard(posting.key)
        await self._save(posting)
        return posting

    async def _save(self, posting: Posting) -> None:
        await self._postings.save(posting)
        self._known.pop(posting.key, None)
        if posting.ts:
            self._remember(posting)

    def _remember(self, posting: Posting) -> None:
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[posting.key] = posting

    def _learn(self, key: str, error: SlackError) -> None:
        if error.perhaps_done:
            self._certainly_not.discard(key)
        else:
            self._certainly_not.add(key)
