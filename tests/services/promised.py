"""The facts that a template promises to whoever writes their own: each message and each
answer has to carry them.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from bot.ports.talk import LATE_ANSWER, Answer, Message

TEMPLATES = Path(__file__).parents[2] / "templates" / "slack"
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_OF_THE_CARD = {"can_cancel", "can_roll_back", "card_channel", "card_url", "and", "none"}


@cache
def promised(template: str) -> frozenset[str]:
    """Read the names of the facts out of a template's first line."""
    told = (
        (TEMPLATES / f"{template}.md.j2")
        .read_text()
        .partition("\n")[0]
        .removeprefix("{# facts:")
        .removesuffix("#}")
    )
    while told != (told := _ASIDE.sub("", told)):
        pass
    told = told.partition("; once it is over")[0].partition("; where they are known")[0]
    return frozenset(re.findall(r"(?:^|[,;])\s*(\w+)(?=\s*(?:[,;:]|of\b|$))", told)) - _OF_THE_CARD


def missing(said: Message | Answer) -> set[str]:
    """Name the promised facts that are not there."""
    if isinstance(said, Answer):
        return {
            f"answers/{said.name}: {each}"
            for each in promised(f"answers/{said.name}") - set(said.facts)
        }
    if said.template == LATE_ANSWER:
        return set()
    return {
        f"messages/{said.template}: {each}"
        for each in promised(f"messages/{said.template}") - set(said.facts)
    }
