"""One exchange with a vendor: the call, what it may cost, and the reply or the error that comes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.domain.errors import IntegrationError
from bot.domain.limits import ANSWER

REMEMBERED = 256
"""How many answers are kept for conditional requests, and"""
REMEMBERED_SIZE = 512 * 1024
"""how large one of them may be."""


class RestError(IntegrationError):
    """A vendor said no, or nothing.

    ``perhaps_done`` is True when a write may have been carried out although no good answer came:
    look before doing it again. ``wait`` is how many seconds the vendor asks to be left alone.
    """

    def __init__(
        self,
        sentence: str,
        *,
        vendor: str,
        status: int | None = None,
        retry: bool = True,
        perhaps_done: bool = False,
        wait: float = 0.0,
    ) -> None:
        super().__init__(sentence, vendor=vendor, status=status, retry=retry)
        self.perhaps_done = perhaps_done
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer. ``data`` is its JSON, or its text where text was asked for; None when it is
    empty. Header names are lower case.
    """

    status: int
    headers: Mapping[str, str]
    data: Any = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What one call may cost: seconds per try, tries, seconds of waiting between
    them, bytes of an answer.
    """

    timeout: float = 10.0
    tries: int = 4
    longest_wait: float = 20.0
    body_cap: int = ANSWER.size
    first_pause: float = 0.5


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of a vendor."""

    method: str
    path: str
    params: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]
    text: bool
    repeatable: bool
    moves: bool = False

    @property
    def is_read(self) -> bool:
        """Tell whether it changes nothing."""
        return self.method == "GET"

    @property
    def name(self) -> str:
        """Name it in a sentence."""
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class Seen:
    """Answers that have an ETag, newest last."""

    replies: OrderedDict[tuple[str, ...], Reply] = field(default_factory=OrderedDict)

    def of(self, call: Call) -> Reply | None:
        """Give the answer to the same read before."""
        return self.replies.get(_key(call)) if call.is_read else None

    def keep(self, call: Call, reply: Reply, size: int) -> None:
        """Keep an answer that has an ETag and is not too large."""
        if call.is_read and reply.headers.get("etag") and size <= REMEMBERED_SIZE:
            self.replies[_key(call)] = reply
            self.replies.move_to_end(_key(call))
            while len(self.replies) > REMEMBERED:
                self.replies.popitem(last=False)


def _key(call: Call) -> tuple[str, ...]:
    return (
        call.path,
        str(call.text),
        *(f"{name}={value}" for name, value in sorted(call.params.items())),
    )


class Identity(Protocol):
    """What a client shows to the vendor, where that changes with time."""

    async def headers(self) -> Mapping[str, str]:
        """Give the headers that say who asks. Raises RestError when they cannot be
        had; then nothing was sent.
        """
        ...

    def was_refused(self) -> None:
        """Hear that the vendor took these headers for nobody's (401):
        the next call needs others.
        """
        ...
