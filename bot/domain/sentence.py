"""The words of a typed command, taken one by one, and how the parts that several commands share are
read from them and written back.

Forgiving about spaces, case, quotes, ``in``/``on``/``to`` and punctuation at the end; never about
meaning. Reading knows no catalog: whether a service or an environment exists is decided later, here
only whether the words can be one.
"""

from __future__ import annotations

import re

from bot.domain.errors import NotUnderstood
from bot.domain.usage import LIST, Usage
from bot.domain.validation import (
    NAME,
    PREPOSITIONS,
    RESERVED_NAMES,
    check_reason,
    check_ref,
    shown,
)

LONGEST_TEXT = 3000
QUOTES = "\"'`\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f"
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}-[0-9]{1,9}")
_MENTION = re.compile(r"<@([UW][A-Z0-9]{1,20})(?:\|[^<>]*)?>")
_WORD = re.compile(r"<@[^<>]*>|\S+")
_LINK = re.compile(r"<(?:https?|mailto|tel):[^|<>]*\|([^<>]*)>|<((?:https?|mailto|tel):[^|<>]*)>")
_LABELLED = re.compile(r"<([@#!])([^|<>]*)(?:\|([^<>]*))?>")
_PUNCTUATION = ".,;:!?…"


class Sentence:
    """The words before ``because``, taken one by one, and the reason behind it. What is refused
    quotes how the command is written, once it is known which one it is.
    """

    def __init__(self, found: list[str], reason: str) -> None:
        self._words = found
        self._at = 0
        self.reason = reason
        self.usage: Usage | None = None

    @classmethod
    def read(cls, text: str) -> Sentence:
        """Part a text as Slack sends it. Raises NotUnderstood."""
        if len(text) > LONGEST_TEXT:
            raise NotUnderstood(f"That is longer than {LONGEST_TEXT:,} characters. Say it shorter.")
        line = " ".join(_LINK.sub(lambda link: link[1] or link[2] or "", text).split())
        found: list[str] = []
        for word in _WORD.finditer(line):
            if word[0].strip(QUOTES + _PUNCTUATION).lower() == "because":
                return cls(found, _reason(line[word.end() :]))
            if bare := _bare(word[0]):
                found.append(bare)
        return cls(found, "")

    @property
    def how(self) -> str:
        """Say how it is written."""
        return f"Write {self.usage.syntax}." if self.usage else LIST

    def peek(self) -> str:
        """Give the next word in lower case; empty at the end."""
        return self._words[self._at].lower() if self._at < len(self._words) else ""

    def take(self, what: str = "") -> str:
        """Take the next word. Raises NotUnderstood, naming ``what`` is missing."""
        if self._at >= len(self._words):
            raise NotUnderstood(f"{what} is missing. {self.how}" if what else self.how)
        self._at += 1
        return self._words[self._at - 1]

    def accept(self, *expected: str) -> bool:
        """Take the next word if it is one of these."""
        if self.peek() in expected:
            self._at += 1
            return True
        return False

    def second_is_to(self) -> bool:
        """Tell a service that is named like a command
        (``status to production``) from the command.
        """
        return self._at + 1 < len(self._words) and self._words[self._at + 1].lower() == "to"

    def has_preposition(self) -> bool:
        """Tell whether a place is named with its preposition."""
        return any(word.lower() in PREPOSITIONS for word in self._words)

    def nothing_more(self) -> None:
        """Refuse words that are left over, and a reason where none is taken."""
        if self._at < len(self._words):
            word = shown(self._words[self._at])
            raise NotUnderstood(f'I did not expect "{word}" here. {self.how}')
        if self.reason and self.usage is not None and not self.usage.takes_reason:
            raise NotUnderstood(f"{self.usage.verb} takes no reason. {self.how}")

    def because(self, why_needed: str) -> str:
        """Give the reason of a command that cannot do without. Raises NotUnderstood."""
        self.nothing_more()
        if not self.reason:
            raise NotUnderstood(f"{why_needed} {self.how}")
        return self.reason

    # What several commands are made of ------------------------------------------------------------

    def service(self) -> str:
        """Read a service's name."""
        return read_name(self.take("The service"), "a service")

    def environment(self) -> str:
        """Read an environment's name."""
        return read_name(self.take("The environment"), "an environment")

    def version(self) -> str:
        """Read a tag, branch or commit."""
        return check_ref(self.take("The version"))

    def deployment(self) -> str:
        """Read a deployment's id."""
        word = self.take("The deployment's id")
        if not _ID.fullmatch(word.lower()):
            raise NotUnderstood(
                f'"{shown(word)}" is no deployment\'s id; they look like storefront-42. '
                "/deploy status lists what runs."
            )
        return word.lower()

    def person(self) -> str:
        """Read who is mentioned, as a Slack user id."""
        word = self.take("The person")
        mention = _MENTION.fullmatch(word)
        if mention is None:
            raise NotUnderstood(
                f'I cannot tell who "{shown(word)}" is. Type @ and pick the person from '
                "Slack's list."
            )
        return mention[1]

    def route(self) -> tuple[str, str, str]:
        """Read ``SERVICE [REF] to ENVIRONMENT`` as service, environment and ref."""
        service = self.service()
        ref = "latest"
        if self.peek() and self.peek() not in PREPOSITIONS:
            ref = check_ref(self.take())
            ref = ref.lower() if ref.lower() in {"latest", "previous"} else ref
        if not self.peek():
            raise NotUnderstood(f"To which environment? {self.how}")
        if not self.accept(*PREPOSITIONS):
            self.nothing_more()
        return service, self.environment(), ref

    def locked_place(self) -> tuple[str, str]:
        """Read ``SERVICE|all ENVIRONMENT``; the service is empty for all."""
        service = "" if self.accept("all") else self.service()
        self.accept(*PREPOSITIONS)
        return service, self.environment()

    def version_of(self) -> tuple[str, str, str]:
        """Read ``SERVICE REF`` and the reason, which stays."""
        return self.service(), self.version(), self.because(STAYS)


STAYS = "That needs a reason, which stays for ever."


def read_name(word: str, what: str) -> str:
    """Read a name of ours. Raises NotUnderstood for what can be none."""
    name = word.lower()
    if not NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise NotUnderstood(
            f'"{shown(word)}" cannot be {what}. Names hold letters, digits and . _ - only.'
        )
    return name


def because(reason: str) -> str:
    """Write a reason so that it is read back as itself."""
    if not reason:
        return ""
    quoted = f'"{reason}"' if reason[0] in QUOTES + ":" else reason
    return "because " + quoted.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bare(word: str) -> str:
    """Take quotes and the punctuation at the end off a word, as it was typed: the ``;`` of
    Slack's ``&gt;`` is none.
    """
    said = word if word.strip(QUOTES).startswith("<@") else _unescaped(word)
    return said.strip(QUOTES).rstrip(_PUNCTUATION).strip(QUOTES)


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _reason(text: str) -> str:
    said = text.strip().removeprefix(":").strip()
    if len(said) > 1 and said[0] in QUOTES and said[-1] in QUOTES:
        said = said[1:-1].strip()
    plain = _LABELLED.sub(_as_read, said)
    if not plain:
        raise NotUnderstood('The reason after "because" is missing.')
    return check_reason(_unescaped(plain))


def _as_read(mark: re.Match[str]) -> str:
    """Write Slack's mark for a person, channel or group as people read it."""
    sign = "#" if mark[1] == "#" else "@"
    label = mark[3] or mark[2].removeprefix("subteam^")
    return label if label.startswith(sign) else f"{sign}{label}"
