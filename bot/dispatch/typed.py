"""The words after /deploy and /rollback: read into a command, or refused with the next step in the
sentence. How each command is read stands with its verb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from bot.dispatch.misspelt import misspelt
from bot.dispatch.tables import TYPED, USAGE, VERBS
from bot.domain.commands import Command, Deploy, Help
from bot.domain.errors import NotPossible, NotUnderstood, Refusal
from bot.domain.near import did_you_mean
from bot.domain.sentence import LONGEST_TEXT, Sentence
from bot.domain.usage import LIST, NOT_YET, nearest
from bot.domain.validation import shown

HINTS = {
    usage.slash: usage.syntax.removeprefix(f"/{usage.slash} ")
    for usage in (USAGE["deploy"], USAGE["rollback"])
}
"""What Slack shows beside each slash command while it is typed."""


@dataclass(frozen=True, slots=True)
class OpenForm(Command):
    """``/deploy`` with nothing after it: open the dialog that asks for the same things."""

    verb: ClassVar[str] = "open_form"


def parse_deploy(text: str) -> Command:
    """Read what was typed after ``/deploy``, as Slack sends it. Raises Refusal (NotUnderstood or
    NotPossible) and nothing else; where one word was misspelt, with the line that was meant.
    """
    return _with_what_was_meant("deploy", _after_deploy, text)


def parse_rollback(text: str) -> Command:
    """Read what was typed after ``/rollback``, as Slack sends it; like ``parse_deploy``."""
    return _with_what_was_meant("rollback", _after_rollback, text)


def parse(line: str) -> Command:
    """Read a whole line, with the slash command that it begins with. Raises Refusal."""
    slash, _, text = line.partition(" ")
    return parse_rollback(text) if slash == "/rollback" else parse_deploy(text)


def _with_what_was_meant(slash: str, read: Callable[[str], Command], text: str) -> Command:
    try:
        return read(text)
    except NotUnderstood as refusal:
        is_short = len(text) <= LONGEST_TEXT
        slip = misspelt(text, read, verb_first=slash == "deploy") if is_short else None
        if slip is None:
            raise
        sentence = str(refusal) if "Did you mean" in str(refusal) else slip.sentence
        raise NotUnderstood(sentence, line=f"/{slash} {slip.text}") from refusal


def _after_deploy(text: str) -> Command:
    sentence = Sentence.read(text)
    first = sentence.peek()
    if not first:
        return OpenForm()
    is_named = first in USAGE or first in NOT_YET
    if is_named and not sentence.second_is_to():
        sentence.take()
        return _read(first, sentence)
    if not sentence.has_preposition():
        raise _unknown(sentence)
    return _read(Deploy.verb, sentence)


def _after_rollback(text: str) -> Command:
    sentence = Sentence.read(text)
    if sentence.peek() == Help.verb and not sentence.reason:
        return Help("rollback")
    return _read("rollback", sentence)


def words(command: Command) -> str:
    """Write a typed command as the text that reads back as itself (without the slash
    command), in Slack's markup.
    """
    typed = VERBS[type(command)].typed if type(command) in VERBS else None
    parts = list(typed.write(command)) if typed else []
    if isinstance(command, Deploy) and (command.service in USAGE or command.service in NOT_YET):
        parts.insert(0, Deploy.verb)  # a service that is named like a command
    return " ".join(part for part in parts if part)


def line_of(command: Command) -> str:
    """Write a command as the whole line that is read as the same one; empty where that cannot be,
    and for what only a button or a dialog asks for.
    """
    text = words(command)
    line = f"/{USAGE[command.verb].slash} {text}" if text else ""
    try:
        return line if line and parse(line) == command else ""
    except Refusal:
        return ""


def help_text(topic: str = "") -> str:
    """Write the help: all commands, or one with its examples."""
    usage = USAGE.get(topic)
    if usage is not None:
        examples = "\n".join(f"• `{example}`" for example in usage.examples)
        return f"`{usage.syntax}`\n{usage.sentence}\n{examples}".rstrip()
    return "\n".join(f"• `{each.syntax}` {each.sentence}" for each in USAGE.values())


def _read(verb: str, sentence: Sentence) -> Command:
    if verb in NOT_YET:
        raise _not_yet(verb)
    sentence.usage = USAGE[verb]
    command: Command = TYPED[verb].read(sentence)
    if isinstance(command, Help):
        _check_topic(command.topic)
    sentence.nothing_more()
    return command


def _check_topic(topic: str) -> None:
    if topic in NOT_YET:
        raise _not_yet(topic)
    if topic and topic not in USAGE:
        raise NotUnderstood(
            f'I don\'t know the command "{shown(topic)}". '
            f"{_did_you_mean(topic)}/deploy help lists all."
        )


def _not_yet(verb: str) -> NotPossible:
    return NotPossible(f"/deploy {verb} is not available yet. /deploy help lists what is.")


def _did_you_mean(word: str) -> str:
    meant = did_you_mean(nearest(word, USAGE))
    return f"{meant} " if meant else ""


def _unknown(sentence: Sentence) -> NotUnderstood:
    """Explain words that are neither a command nor a deployment: a mistyped command, or an
    environment that is missing.
    """
    first, written = sentence.take(), USAGE[Deploy.verb].syntax
    near = _did_you_mean(first)
    if near or not sentence.peek():
        how = "" if near else f"To deploy a service, write {written}. "
        return NotUnderstood(
            f'I don\'t know the command "{shown(first)}". {near}{how}/deploy help lists all.'
        )
    return NotUnderstood(f"To which environment? Write {written}. {LIST}")
