"""The words after /deploy and /rollback: read into a command, or refused with the
next step in the sentence.

Forgiving about spaces, case, quotes, ``in``/``on``/``to`` and punctuation at the end; never about
meaning. Reading knows no catalog: whether a service or an environment exists is decided later, here
only whether the words can be one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from bot.domain.commands import (
    Cancel,
    Check,
    Command,
    Deploy,
    HandOver,
    Help,
    History,
    Lock,
    Locks,
    Quarantine,
    Retest,
    RollBack,
    SayLive,
    Status,
    Unlock,
    Unquarantine,
)
from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.usage import NOT_YET, USAGE, VERBS, Usage, nearest
from bot.domain.validation import (
    KEYWORDS,
    NAME,
    PREPOSITIONS,
    RESERVED_NAMES,
    check_reason,
    check_ref,
    duration,
    shown,
)

__all__ = [
    "KEYWORDS", "NAME", "NOT_YET", "RESERVED_NAMES", "USAGE", "VERBS", "OpenForm", "Usage",
    "check_reason", "check_ref", "duration", "nearest", "parse_deploy", "parse_rollback", "shown",
]  # fmt: skip

LONGEST_TEXT = 3000
_WITH_REASON = frozenset({"lock", "rollback", "quarantine", "unquarantine", "live"})
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}-[0-9]{1,9}")
_MENTION = re.compile(r"<@([UW][A-Z0-9]{1,20})(?:\|[^<>]*)?>")
_WORD = re.compile(r"<@[^<>]*>|\S+")
_LINK = re.compile(r"<(?:https?|mailto|tel):[^|<>]*\|([^<>]*)>|<((?:https?|mailto|tel):[^|<>]*)>")
_LABELLED = re.compile(r"<([@#!])([^|<>]*)(?:\|([^<>]*))?>")
QUOTES = "\"'`\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f"
_PUNCTUATION = ".,;:!?…"


@dataclass(frozen=True, slots=True)
class OpenForm(Command):
    """``/deploy`` with nothing after it: open the dialog that asks for the same things."""

    verb: ClassVar[str] = "open_form"


def parse_deploy(text: str) -> Command:
    """Read what was typed after ``/deploy``, as Slack sends it. Raises Refusal (NotUnderstood or
    NotPossible) and nothing else.
    """
    sentence = _Sentence.read(text)
    first = sentence.peek()
    if not first:
        return OpenForm()
    if first == "deploy" and not sentence.second_is_to():
        sentence.take()
        return _deploy(sentence)
    if first in VERBS | NOT_YET and not sentence.second_is_to():
        return _verb(sentence.take(), sentence)
    if not sentence.has_preposition():
        raise _unknown(sentence)
    return _deploy(sentence)


def parse_rollback(text: str) -> Command:
    """Read what was typed after ``/rollback``, as Slack sends it. Raises
    Refusal and nothing else.
    """
    sentence = _Sentence.read(text)
    if sentence.peek() == "help" and not sentence.reason:
        return Help("rollback")
    return _rollback(sentence)


# Reading ----------------------------------------------------------------------------------------


class _Sentence:
    """The words before ``because``, taken one by one, and the reason behind it."""

    def __init__(self, found: list[str], reason: str) -> None:
        self._words = found
        self._at = 0
        self.reason = reason

    @classmethod
    def read(cls, text: str) -> _Sentence:
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

    def peek(self) -> str:
        return self._words[self._at].lower() if self._at < len(self._words) else ""

    def take(self, what: str = "", verb: str = "") -> str:
        if self._at >= len(self._words):
            raise NotUnderstood(f"{what} is missing. {_how(verb)}" if what else _how(verb))
        self._at += 1
        return self._words[self._at - 1]

    def accept(self, *expected: str) -> bool:
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
        return any(word.lower() in PREPOSITIONS for word in self._words)

    def nothing_more(self, verb: str) -> None:
        if self._at < len(self._words):
            raise NotUnderstood(
                f'I did not expect "{shown(self._words[self._at])}" here. {_how(verb)}'
            )
        if self.reason and verb not in _WITH_REASON:
            raise NotUnderstood(f"{verb} takes no reason. {_how(verb)}")


def _bare(word: str) -> str:
    """Take quotes and the punctuation at the end off a word."""
    bare = word.strip(QUOTES).rstrip(_PUNCTUATION).strip(QUOTES)
    return _unescaped(bare) if not bare.startswith("<@") else bare


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


def _how(verb: str) -> str:
    return f"Write {USAGE[verb].syntax}." if verb in USAGE else "/deploy help lists all commands."


def _name(word: str, what: str) -> str:
    name = word.lower()
    if not NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise NotUnderstood(
            f'"{shown(word)}" cannot be {what}. Names hold letters, digits and . _ - only.'
        )
    return name


def _service(sentence: _Sentence, verb: str) -> str:
    return _name(sentence.take("The service", verb), "a service")


def _environment(sentence: _Sentence, verb: str) -> str:
    return _name(sentence.take("The environment", verb), "an environment")


def _deployment(sentence: _Sentence, verb: str) -> str:
    word = sentence.take("The deployment's id", verb)
    if not _ID.fullmatch(word.lower()):
        raise NotUnderstood(
            f'"{shown(word)}" is no deployment\'s id; they look like storefront-42. '
            "/deploy status lists what runs."
        )
    return word.lower()


def _person(sentence: _Sentence, verb: str) -> str:
    word = sentence.take("The person", verb)
    mention = _MENTION.fullmatch(word)
    if mention is None:
        raise NotUnderstood(
            f'I cannot tell who "{shown(word)}" is. Type @ and pick the person from Slack\'s list.'
        )
    return mention[1]


def _route(sentence: _Sentence, verb: str) -> tuple[str, str, str]:
    """Read ``SERVICE [REF] to ENVIRONMENT``."""
    service = _service(sentence, verb)
    ref = "latest"
    if sentence.peek() and sentence.peek() not in PREPOSITIONS:
        ref = check_ref(sentence.take())
        ref = ref.lower() if ref.lower() in {"latest", "previous"} else ref
    if not sentence.peek():
        raise NotUnderstood(f"To which environment? {_how(verb)}")
    if not sentence.accept(*PREPOSITIONS):
        sentence.nothing_more(verb)
    return service, ref, _environment(sentence, verb)


def _deploy(sentence: _Sentence) -> Deploy:
    service, ref, environment = _route(sentence, "deploy")
    strategy = lead = ""
    while sentence.peek():
        if sentence.peek() == "at":
            raise NotPossible(
                "Deploying at a later time is not available yet. Leave out "
                '"at …" to ask for it now.'
            )
        if not strategy and sentence.accept("with"):
            strategy = _name(sentence.take("The strategy", "deploy"), "a strategy")
        elif not lead and sentence.accept("lead"):
            lead = _person(sentence, "deploy")
        else:
            sentence.nothing_more("deploy")
    return Deploy(service, environment, ref, strategy, lead, sentence.reason)


def _check(sentence: _Sentence) -> Check:
    service, ref, environment = _route(sentence, "check")
    return Check(service, environment, ref)


def _status(sentence: _Sentence) -> Status:
    return Status(_service(sentence, "status") if sentence.peek() else "")


def _history(sentence: _Sentence) -> History:
    service = _service(sentence, "history")
    return History(
        service,
        _environment(sentence, "history")
        if sentence.accept(*PREPOSITIONS) or sentence.peek()
        else "",
    )


def _cancel(sentence: _Sentence) -> Cancel:
    return Cancel(_deployment(sentence, "cancel"))


def _retest(sentence: _Sentence) -> Retest:
    return Retest(_deployment(sentence, "retest"))


def _locked_place(sentence: _Sentence, verb: str) -> tuple[str, str]:
    service = "" if sentence.accept("all") else _service(sentence, verb)
    sentence.accept(*PREPOSITIONS)
    return service, _environment(sentence, verb)


def _lock(sentence: _Sentence) -> Lock:
    service, environment = _locked_place(sentence, "lock")
    seconds = 0
    if sentence.accept("for"):
        amount = sentence.take("The duration", "lock")
        while sentence.peek():
            amount += sentence.take()
        seconds = int(duration(amount).total_seconds())
    sentence.nothing_more("lock")
    if not sentence.reason:
        raise NotUnderstood(f"A lock needs a reason, so that others know why. {_how('lock')}")
    return Lock(service, environment, sentence.reason, seconds)


def _unlock(sentence: _Sentence) -> Unlock:
    service, environment = _locked_place(sentence, "unlock")
    return Unlock(service, environment)


def _locks(_sentence: _Sentence) -> Locks:
    return Locks()


def _version_of(sentence: _Sentence, verb: str) -> tuple[str, str]:
    """Read ``SERVICE REF`` of a command that cannot do without a reason."""
    service = _service(sentence, verb)
    ref = check_ref(sentence.take("The version", verb))
    sentence.nothing_more(verb)
    if not sentence.reason:
        raise NotUnderstood(f"That needs a reason, which stays for ever. {_how(verb)}")
    return service, ref


def _quarantine(sentence: _Sentence) -> Quarantine:
    return Quarantine(*_version_of(sentence, "quarantine"), sentence.reason)


def _unquarantine(sentence: _Sentence) -> Unquarantine:
    return Unquarantine(*_version_of(sentence, "unquarantine"), sentence.reason)


def _live(sentence: _Sentence) -> SayLive:
    service = _service(sentence, "live")
    sentence.accept(*PREPOSITIONS)
    environment = _environment(sentence, "live")
    if not sentence.accept("is"):
        raise NotUnderstood(_how("live"))
    ref = check_ref(sentence.take("The version", "live"))
    sentence.nothing_more("live")
    if not sentence.reason:
        raise NotUnderstood(f"That needs a reason, which stays for ever. {_how('live')}")
    return SayLive(service, environment, ref, sentence.reason)


def _lead(sentence: _Sentence) -> HandOver:
    deployment = _deployment(sentence, "lead")
    sentence.accept("to")
    return HandOver(deployment, _person(sentence, "lead"))


def _help(sentence: _Sentence) -> Help:
    if not sentence.peek():
        return Help()
    topic = sentence.take().lower().removeprefix("/")
    if topic in NOT_YET:
        raise _not_yet(topic)
    if topic not in VERBS:
        raise NotUnderstood(
            f'I don\'t know the command "{shown(topic)}". '
            f"{_did_you_mean(topic)}/deploy help lists all."
        )
    return Help(topic)


def _rollback(sentence: _Sentence) -> RollBack:
    service = _service(sentence, "rollback")
    environment = ref = ""
    if sentence.accept("in", "on") or (sentence.peek() and sentence.peek() != "to"):
        environment = _environment(sentence, "rollback")
    if sentence.accept("to"):
        ref = check_ref(sentence.take("The version", "rollback"))
    sentence.nothing_more("rollback")
    if not sentence.reason:
        raise NotUnderstood(
            f"A rollback needs a reason, so that others know why. {_how('rollback')}"
        )
    return RollBack(service, environment, ref, sentence.reason)


_READERS: Mapping[str, Callable[[_Sentence], Command]] = {
    "check": _check, "status": _status, "history": _history,
    "cancel": _cancel, "lock": _lock, "unlock": _unlock, "locks": _locks,
    "lead": _lead, "help": _help, "rollback": _rollback,
    "quarantine": _quarantine, "unquarantine": _unquarantine, "live": _live,
    "retest": _retest,
}  # fmt: skip


def _verb(word: str, sentence: _Sentence) -> Command:
    verb = word.lower()
    if verb in NOT_YET:
        raise _not_yet(verb)
    command = _READERS[verb](sentence)
    sentence.nothing_more(verb)
    return command


def _not_yet(verb: str) -> NotPossible:
    return NotPossible(f"/deploy {verb} is not available yet. /deploy help lists what is.")


def _did_you_mean(word: str) -> str:
    near = nearest(word, VERBS)
    return f"Did you mean {near}? " if near else ""


def _unknown(sentence: _Sentence) -> NotUnderstood:
    """Explain words that are neither a command nor a deployment: a mistyped command, or an
    environment that is missing.
    """
    first = sentence.take()
    near = _did_you_mean(first)
    if near or not sentence.peek():
        how = "" if near else f"To deploy a service, write {USAGE['deploy'].syntax}. "
        return NotUnderstood(
            f'I don\'t know the command "{shown(first)}". {near}{how}/deploy help lists all.'
        )
    return NotUnderstood(f"To which environment? {_how('deploy')} /deploy help lists all commands.")
