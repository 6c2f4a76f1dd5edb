"""The tree of all errors.

GonogoError
├── Refusal             the rules say no; the text is a sentence for the person,
with the next step in it
│   ├── NotAllowed      this person may not do this; says who can
│   ├── NotPossible     nobody can do this now; says why and what to do instead
│   └── NotUnderstood   the words make no command; says the nearest one
├── IntegrationError    a vendor says no, or nothing
│   ├── NotAskedYet     many wait for a vendor, and each is asked for in turn; says when
│   └── UnknownRef      there is no such tag, branch or commit; says the nearest names
├── Unreadable          foreign text that is too much, or not what it says it
is (``bot.domain.limits``)
├── SystemUnavailable   the machine refuses what may be there later: a disk that is full, a file in
use; start again after a while └── ConfigurationError  the operator's files or settings are wrong;
says file, line and remedy
    └── MissingSetting  a secret is not set; says which, and what it is
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.domain.near import did_you_mean, only


class GonogoError(Exception):
    """Anything that Go/No-Go raises on purpose."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A next step that a refusal offers as a button: ``action`` is a card action (see
    ``bot.domain.actions.Action``).
    """

    action: str
    label: str
    deployment: str
    carries: str = ""
    """What the button carries besides: the digest of what was shown, and what the action needs."""


@dataclass(frozen=True, slots=True)
class Meant:
    """The one word that was meant where another was typed: ``field`` of the command is ``name``."""

    field: str
    name: str


class Refusal(GonogoError):  # noqa: N818 - the field's word
    """The rules say no. ``str(refusal)`` is a sentence for the person, ``offers`` are
    the next steps as buttons.

    ``roles`` are those whose members can do it instead; whoever tells the person names a few of
    them. ``meant`` is what would have been right, where that is one word of the command; ``line``
    is the whole line, where the words made no command.
    """

    def __init__(
        self,
        sentence: str,
        *offers: Offer,
        roles: Iterable[str] = (),
        meant: Meant | None = None,
        line: str = "",
    ) -> None:
        super().__init__(sentence)
        self.offers = offers
        self.roles = tuple(roles)
        self.meant = meant
        self.line = line


class NotAllowed(Refusal):
    """This person may not do this, somebody else may."""


class NotPossible(Refusal):
    """Nobody can do this now."""


class NotUnderstood(Refusal):
    """The words make no command."""


class IntegrationError(GonogoError):
    """A vendor answered with an error, or not at all.

    ``vendor`` names it ("local CI"), ``status`` is its HTTP status if it gave one, ``retry`` says
    whether trying again can help.
    """

    def __init__(
        self, sentence: str, *, vendor: str, status: int | None = None, retry: bool = True
    ) -> None:
        super().__init__(sentence)
        self.vendor = vendor
        self.status = status
        self.retry = retry
        self.meant: Meant | None = None

    @property
    def told(self) -> str:
        """What whoever asked for something hears: the vendor's own words where it said no, else
        that it may have been done all the same.
        """
        return (
            (
                f"{self.vendor} does not answer. The card shows what has been "
                "done; try again in a minute."
            )
            if self.retry
            else str(self)
        )

    @property
    def answered(self) -> str:
        """What whoever asked a question hears: the vendor's own words where it said no, else
        that it does not answer now.
        """
        return (
            f"{self.vendor} does not answer, so this cannot be told now. Try again in a minute."
            if self.retry
            else str(self)
        )


class NotAskedYet(IntegrationError):  # noqa: N818 - a state, as the field says it
    """The vendor was not asked, because it is asked so much a minute and no more. ``until`` is when
    it is this question's turn.
    """

    def __init__(self, *, vendor: str, until: datetime) -> None:
        super().__init__(
            "not asked yet: many wait, and each is asked for in turn", vendor=vendor, retry=False
        )
        self.until = until


class UnknownRef(IntegrationError):  # noqa: N818 - the field's word
    """There is no tag, branch or commit of that name. ``nearest`` are names that are there and may
    have been meant, the likeliest first.
    """

    def __init__(self, ref: str, where: str, *, vendor: str, nearest: tuple[str, ...] = ()) -> None:
        said = f'There is no tag, branch or commit "{ref}" in {where}. {did_you_mean(nearest)}'
        super().__init__(said.strip(), vendor=vendor, retry=False)
        self.ref = ref
        self.nearest = nearest
        if alone := only(nearest):
            self.meant = Meant("ref", alone)


class ConfigurationError(GonogoError):
    """A file or setting is wrong. ``str(error)`` holds one line per problem:
    file, line, what, remedy.
    """


class MissingSetting(ConfigurationError):  # noqa: N818 - a state, as the field says it
    """What is configured needs a setting that is not there: a file can be right without it, a
    bot cannot run without it.
    """


class SystemUnavailable(GonogoError):  # noqa: N818 - a state, as the field says it
    """What the bot stands on is not to be had now, and may be later. ``str(error)`` says what,
    why and what to look at.
    """
