"""Which one word of a line was misspelt that makes no command: a command, ``to``, ``with``,
``because`` … The words of the team's own are looked for where they are looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from bot.dispatch.tables import USAGE
from bot.domain.commands import Command
from bot.domain.errors import Refusal
from bot.domain.near import did_you_mean, near, only
from bot.domain.usage import nearest
from bot.domain.validation import KEYWORDS, shown

FIRST_WORDS = 12
"""How many words are looked at; what follows is a reason."""
_AROUND = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class Slip:
    """A word that was misspelt, what was meant, and the text with that."""

    wrong: str
    meant: str
    text: str
    is_command: bool = False

    @property
    def sentence(self) -> str:
        """Say what is not understood, and what may have been meant."""
        wrong = shown(self.wrong)
        what = "I don't know the command" if self.is_command else "I did not expect"
        here = "" if self.is_command else " here"
        return f'{what} "{wrong}"{here}. {did_you_mean([self.meant])}'


def misspelt(text: str, read: Callable[[str], Command], *, verb_first: bool) -> Slip | None:
    """Find the one word that has to be another one for a text to make a command; None where there
    is none, or where several commands could be meant.
    """
    found: dict[Command, Slip] = {}
    said = [*islice(re.finditer(r"\S+", text), FIRST_WORDS)]
    words = [_AROUND.sub("", each[0]).lower() for each in said]
    for at, (here, word) in enumerate(zip(said, words, strict=True)):
        is_verb = verb_first and (at == 0 or (at == 1 and words[0] == "help"))
        known = USAGE.keys() if is_verb else KEYWORDS
        if not word or word in known:
            continue
        meant = only(nearest(word, known) if is_verb else near(word, known))
        other = " ".join(f"{text[: here.start()]}{meant}{text[here.end() :]}".split())
        if meant:
            with suppress(Refusal):
                found.setdefault(read(other), Slip(word, meant, other, is_verb))
    return next(iter(found.values())) if len(found) == 1 else None
