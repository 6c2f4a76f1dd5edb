"""Block Kit as Slack judges it: structure and lengths by slack_sdk's models, typos by writing back,
and the rules between blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

MOST = {"message": 50, "view": 100}
TOTAL = 13_200
"""Characters in all blocks together; undocumented, but Slack answers msg_blocks_too_long."""
FIELD, LABEL, VALUE, BLOCK_ID = 2000, 75, 150, 255
CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
IGNORED = {"emoji", "verbatim"}


def problems(blocks: Any, where: str = "message") -> list[str]:
    """List what Slack would refuse; empty when it is good."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return ["blocks must be a list of objects"]
    found = []
    if len(blocks) > MOST[where]:
        found.append(f"no more than {MOST[where]} blocks allowed")
    for index, block in enumerate(blocks):
        found += [f"{problem} [json-pointer:/blocks/{index}]" for problem in _of_block(block)]
    found += [
        f"block_id {name} is used twice"
        for name in _twice(block.get("block_id") for block in blocks)
    ]
    if where == "message" and sum(len(text) for text in texts(blocks)) > TOTAL:
        found.append("msg_blocks_too_long")
    return found


def _of_block(block: dict[str, Any]) -> list[str]:
    try:
        parsed = Block.parse_all([block])
        written = parsed[0].to_dict() if parsed and parsed[0] is not None else None
    except (SlackObjectFormationError, TypeError, KeyError, ValueError, AttributeError) as error:
        return [f"invalid block: {error}"]
    if written is None:
        return [f"unsupported type: {block.get('type')}"]
    found = [] if _same(block, written) else [f"unknown or misplaced keys in {block.get('type')}"]
    found += _too_long(block)
    elements = [element for element in block.get("elements", []) if isinstance(element, dict)]
    found += [
        f"action_id {name} is used twice"
        for name in _twice(element.get("action_id") for element in elements)
    ]
    return found + [
        problem
        for element in [*elements, block.get("accessory"), block.get("element")]
        for problem in _of_element(element)
    ]


def _too_long(block: dict[str, Any]) -> list[str]:
    """Judge a block's own texts (docs.slack.dev/reference/block-kit/blocks)."""
    found = [
        f"field longer than 2000: {len(text)}"
        for text in map(text_of, block.get("fields") or [])
        if len(text) > FIELD
    ]
    if block.get("type") == "header" and not _is_plain(block.get("text")):
        found.append("a header's text must be plain_text")
    if len(str(block.get("block_id") or "")) > BLOCK_ID:
        found.append("block_id must be shorter than 256 characters")
    return found


def _of_element(element: Any) -> list[str]:
    """Judge a button or a select (docs.slack.dev/reference/block-kit/block-elements and
    .../composition-objects).
    """
    if not isinstance(element, dict):
        return []
    found = []
    if element.get("type") == "button":
        found += [] if _is_plain(element.get("text")) else ["a button's text must be plain_text"]
        found += (
            []
            if len(text_of(element)) <= LABEL
            else ["a button's text must be shorter than 76 characters"]
        )
        found += (
            []
            if len(str(element.get("value") or "")) <= FIELD
            else ["a button's value must be shorter than 2001 characters"]
        )
    options = [option for option in element.get("options") or [] if isinstance(option, dict)]
    found += [
        "an option's text must be shorter than 76 characters"
        for option in options
        if len(text_of(option)) > LABEL
    ]
    found += [
        "an option's value must be shorter than 151 characters"
        for option in options
        if len(str(option.get("value"))) > VALUE
    ]
    return found + _of_confirm(element.get("confirm"))


def _of_confirm(confirm: Any) -> list[str]:
    if not isinstance(confirm, dict):
        return []
    lengths = {part: len(text_of(confirm.get(part))) for part in CONFIRM}
    return [
        f"a confirm dialog's {part} must have 1 to {CONFIRM[part]} characters"
        for part, n in lengths.items()
        if not 1 <= n <= CONFIRM[part]
    ]


def _is_plain(text: Any) -> bool:
    return isinstance(text, dict) and text.get("type") == "plain_text"


def text_of(thing: Any) -> str:
    """Give the text of a text object, or of something that has one."""
    text = thing.get("text") if isinstance(thing, dict) else ""
    return text_of(text) if isinstance(text, dict) else str(text or "")


def _same(given: Any, written: Any) -> bool:
    """Tell whether everything that was given was understood: what the
    models drop, Slack refuses.
    """
    if isinstance(given, dict) and isinstance(written, dict):
        return all(
            key in IGNORED or (key in written and _same(value, written[key]))
            for key, value in given.items()
        )
    if isinstance(given, list) and isinstance(written, list):
        return len(given) == len(written) and all(map(_same, given, written))
    return bool(given == written)


def _twice(names: Iterator[Any] | Any) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name and (name in seen or seen.add(name))}  # type: ignore[func-returns-value]


def texts(value: Any) -> Iterator[str]:
    """List every text in blocks, in order."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
