"""What cards, answers and dialogs are built from: Slack's blocks, checked by
slack_sdk against Slack's limits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from bot.slack import ids
from bot.slack.filters import plain

SECTION = 2900
"""Characters of text in one section, safely below Slack's 3,000."""
TOTAL = 11_500
"""Characters of text in one message, safely below the undocumented total at which Slack refuses
(``msg_blocks_too_long``).
"""
BUTTON = 75
VIEW_TOTAL = 60_000
"""Characters of text in one dialog."""
CUT = "… the rest does not fit here."


@dataclass(frozen=True, slots=True)
class Drawn:
    """Something ready to be shown: ``text`` for notifications and screen
    readers, and its blocks.
    """

    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Tell apart what looks different."""
        content = json.dumps([self.text, self.blocks], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def buttons(self) -> frozenset[str]:
        """Name the actions that can be taken on it."""
        rows = [block["elements"] for block in self.blocks if block["type"] == "actions"]
        return frozenset(str(element["action_id"]) for row in rows for element in row)

    @property
    def has_danger(self) -> bool:
        """Tell whether a button on it does what may do harm, or asks back because it may."""
        elements = [
            element
            for block in self.blocks
            if block["type"] == "actions"
            for element in block["elements"]
        ]
        return any(
            "danger" in {element.get("style"), element.get("confirm", {}).get("style")}
            for element in elements
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A dialog that asks again before a button acts."""

    title: str
    text: str
    yes: str
    no: str
    is_danger: bool = False


def mrkdwn(text: str) -> MarkdownTextObject:
    """Make a text that Slack formats but in which it looks for no names, channels or
    addresses of its own accord.
    """
    return MarkdownTextObject(text=text, verbatim=True)


def label(text: str, longest: int) -> PlainTextObject:
    """Make a plain text of limited length."""
    return PlainTextObject(text=plain(text.strip(), longest))


def section(text: str, block_id: str | None = None) -> SectionBlock:
    """Show text."""
    return SectionBlock(text=mrkdwn(text), block_id=block_id)


def context(text: str, block_id: str | None = None) -> ContextBlock:
    """Show small print."""
    return ContextBlock(elements=[mrkdwn(text)], block_id=block_id)


def button(
    action: str,
    text: str,
    deployment: str,
    *,
    style: str | None = None,
    question: Question | None = None,
) -> ButtonElement:
    """Offer a card action; the button carries the deployment's id and nothing else."""
    confirm = None
    if question is not None:
        confirm = ConfirmObject(
            title=label(question.title, 100), text=label(question.text, 300),
            confirm=label(question.yes, 30), deny=label(question.no, 30),
            style="danger" if question.is_danger else None,
        )  # fmt: skip
    return ButtonElement(
        text=label(text, BUTTON),
        action_id=ids.action_id(action),
        value=deployment,
        style=style,
        confirm=confirm,
    )


def buttons(elements: Sequence[ButtonElement], block_id: str) -> ActionsBlock:
    """Put buttons into a row."""
    return ActionsBlock(elements=list(elements), block_id=block_id)


def drawn(text: str, blocks: Iterable[Block]) -> Drawn:
    """Check the blocks against Slack's limits and make them ready to be sent."""
    return Drawn(text, [block.to_dict() for block in blocks])


def paged(text: str, total: int = TOTAL) -> list[SectionBlock]:
    """Show a long text in as many sections as it needs, cut between lines; a text that Slack would
    refuse ends early and says so.
    """
    pages, page, size = [], "", 0
    for line in text.split("\n"):
        if size + len(line) > total:
            page = f"{page}\n{CUT}" if page else CUT
            break
        if page and len(page) + len(line) + 1 > SECTION:
            pages.append(page)
            page = ""
        page = f"{page}\n{line}" if page else line[:SECTION]
        size += len(line) + 1
    return [section(each) for each in [*pages, page] if each.strip()]
