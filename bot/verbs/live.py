"""Say what runs where it is unclear: on a person's word."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import SayLive
from bot.domain.errors import NotUnderstood
from bot.domain.sentence import STAYS, Sentence, because
from bot.domain.usage import Usage
from bot.domain.validation import PREPOSITIONS
from bot.services import declarations
from bot.verbs import Button, Haste, Reference, Typed, Verb


def read(sentence: Sentence) -> SayLive:
    """Read what is said to be live."""
    service = sentence.service()
    sentence.accept(*PREPOSITIONS)
    environment = sentence.environment()
    if not sentence.accept("is"):
        raise NotUnderstood(sentence.how)
    return SayLive(service, environment, sentence.version(), sentence.because(STAYS))


def press(place: str, rest: str) -> SayLive:
    """Read what the button of the dialog about what is live carries: the place, what was shown,
    commit, version and reason.
    """
    service, _, environment = place.partition("/")
    shown, _, more = rest.partition(" ")
    commit, _, more = more.partition(" ")
    version, _, reason = more.partition(" ")
    return SayLive(service, environment, commit, reason, shown or "nothing", version)


VERB: Verb[SayLive] = Verb(
    SayLive,
    declarations.say_live,
    Haste.GOES,
    typed=Typed(
        120,
        Usage(
            "/deploy live SERVICE ENVIRONMENT is REF because TEXT",
            (
                "Say what runs where it is unclear: after a failure, a restore, or a run that "
                "could not be stopped. Answered with a dialog."
            ),
            ("/deploy live storefront production is v1.1.0 because I looked at all hosts",),
        ),
        read=read,
        write=lambda it: ["live", it.service, it.environment, "is", it.ref, because(it.reason)],
    ),
    button=Button(
        Action.SAY_LIVE,
        press,
        Reference(
            "Say that (version) is live",
            "the lead of what stands there, and holders of the permission hand_over",
            (
                "in the dialog that answers `/deploy live`: records what is live on that "
                "person's word, and says so in the channel"
            ),
        ),
    ),
)
