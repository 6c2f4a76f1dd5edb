"""Go back: the dialog that says what that would do, and the button that does it."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import RollBack
from bot.domain.sentence import Sentence, because
from bot.domain.usage import Usage
from bot.services import rollbacks
from bot.verbs import Button, Haste, Reference, Typed, Verb


def read(sentence: Sentence) -> RollBack:
    """Read what is to be put back where, and why."""
    service = sentence.service()
    environment = ref = ""
    if sentence.accept("in", "on") or (sentence.peek() and sentence.peek() != "to"):
        environment = sentence.environment()
    if sentence.accept("to"):
        ref = sentence.version()
    reason = sentence.because("A rollback needs a reason, so that others know why.")
    return RollBack(service, environment, ref, reason)


def write(it: RollBack) -> list[str]:
    """Write what is to be put back where, and why."""
    where = f"in {it.environment}" if it.environment else ""
    return [it.service, where, f"to {it.ref}" if it.ref else "", because(it.reason)]


def press(deployment: str, rest: str) -> RollBack:
    """Read what a rollback's button carries: what was shown, and where it was not the card's own
    offer the target and the reason.

    A target after a question mark is gone to although nobody knows what lies between.
    """
    shown, _, more = rest.partition(" ")
    target, _, reason = more.partition(" ")
    known = target.removeprefix("?")
    return RollBack(
        deployment=deployment,
        shown=shown,
        ref=known,
        reason=reason,
        although_unknown=target != known,
    )


VERB: Verb[RollBack] = Verb(
    RollBack,
    rollbacks.roll_back,
    Haste.STOPS,
    typed=Typed(
        140,
        Usage(
            "/rollback SERVICE ENVIRONMENT [to REF] because TEXT",
            (
                "Say what rolling back would do, to the last version verified good or to REF, "
                "with a button that does it. Only the lead."
            ),
            (
                "/rollback storefront production because errors rise",
                "/rollback storefront production to v1.0.0 because v1.1.0 loses carts",
            ),
        ),
        read=read,
        write=write,
    ),
    button=Button(
        Action.ROLL_BACK,
        press,
        Reference(
            "Roll back",
            "the deployment lead",
            "after a dialog that says what it undoes; a second click does nothing",
        ),
    ),
)
