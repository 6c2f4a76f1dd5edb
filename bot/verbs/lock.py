"""Keep deployments out of an environment, with a reason that everybody can read."""

from __future__ import annotations

from bot.domain.commands import Lock
from bot.domain.sentence import Sentence, because
from bot.domain.usage import Usage
from bot.domain.validation import duration
from bot.services import locks
from bot.verbs import Haste, Typed, Verb


def read(sentence: Sentence) -> Lock:
    """Read what is locked, for how long and why."""
    service, environment = sentence.locked_place()
    seconds = 0
    if sentence.accept("for"):
        amount = sentence.take("The duration")
        while sentence.peek():
            amount += sentence.take()
        seconds = int(duration(amount).total_seconds())
    reason = sentence.because("A lock needs a reason, so that others know why.")
    return Lock(service, environment, reason, seconds)


def write(it: Lock) -> list[str]:
    """Write what is locked, for how long and why."""
    for_long = f"for {it.seconds // 60}m" if it.seconds else ""
    return ["lock", it.service or "all", it.environment, for_long, because(it.reason)]


VERB: Verb[Lock] = Verb(
    Lock,
    locks.lock,
    Haste.STOPS,
    typed=Typed(
        70,
        Usage(
            "/deploy lock SERVICE|all ENVIRONMENT [for DURATION] because TEXT",
            (
                "Keep deployments out of an environment. Durations: 30m, 2h, 1d, 1h30m; without "
                "one the lock holds until somebody unlocks."
            ),
            (
                "/deploy lock storefront production for 2h because database maintenance",
                "/deploy lock all production because incident 7",
            ),
        ),
        read=read,
        write=write,
    ),
)
