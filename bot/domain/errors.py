"""The tree of all errors.

GonogoError
├── Refusal             the rules say no; the text is a sentence for the person, with the next step in it
│   ├── NotAllowed      this person may not do this; says who can
│   ├── NotPossible     nobody can do this now; says why and what to do instead
│   └── NotUnderstood   the words make no command; says the nearest one
├── IntegrationError    a vendor says no, or nothing
└── ConfigurationError  the operator's files or settings are wrong; says file, line and remedy
"""

from __future__ import annotations

from dataclasses import dataclass


class GonogoError(Exception):
    """Anything that Go/No-Go raises on purpose."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A next step that a refusal offers as a button: ``action`` is a card action (see ``bot.domain.card.Action``)."""

    action: str
    label: str
    deployment: str


class Refusal(GonogoError):  # noqa: N818 - the field's word
    """The rules say no. ``str(refusal)`` is a sentence for the person, ``offers`` are the next steps as buttons."""

    def __init__(self, sentence: str, *offers: Offer) -> None:
        super().__init__(sentence)
        self.offers = offers


class NotAllowed(Refusal):
    """This person may not do this, somebody else may."""


class NotPossible(Refusal):
    """Nobody can do this now."""


class NotUnderstood(Refusal):
    """The words make no command."""


class IntegrationError(GonogoError):
    """A vendor answered with an error, or not at all.

    ``vendor`` names it ("local CI"), ``status`` is its HTTP status if it gave one, ``retry`` says whether trying again can help.
    """

    def __init__(self, sentence: str, *, vendor: str, status: int | None = None, retry: bool = True) -> None:
        super().__init__(sentence)
        self.vendor = vendor
        self.status = status
        self.retry = retry


class ConfigurationError(GonogoError):
    """A file or setting is wrong. ``str(error)`` holds one line per problem: file, line, what, remedy."""
