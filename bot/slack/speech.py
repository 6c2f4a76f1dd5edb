"""What the bot says besides the card: answers to one person, and messages in threads,
channels and direct messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slack_sdk.models.blocks import Block, ButtonElement

from bot.domain.actions import Action
from bot.domain.card import Card
from bot.domain.deployment import CAN_ROLL_BACK
from bot.domain.errors import Offer
from bot.ports.talk import LATE_ANSWER, Answer, Message
from bot.slack import ids
from bot.slack.blocks import Drawn, button, buttons, drawn, paged, section
from bot.slack.card_buttons import card_buttons
from bot.slack.cards import in_brief
from bot.slack.render import Words

MOST_OFFERS = 5

MESSAGE_BUTTONS: Mapping[str, tuple[tuple[Action, str], ...]] = {
    "acknowledge_request": ((Action.ACKNOWLEDGE, "I know, and I am on call"),),
}
"""Messages that can be acted on where they are read."""
ASKS = frozenset(
    {
        "acknowledge_request", "ask_lead", "back_and_worse", "degraded",
        "failed", "not_by_itself", "quarantined", "refused",
        "rollback_hangs", "rollback_waits", "rolling_back",
        "run_hangs", "smoke_failed", "stands_still", "stopped",
    }
)  # fmt: skip
"""Messages that ask for something or announce it: with the fact ``end`` they say how it ended,
and ask nothing any more.
"""


COMPLETED = frozenset({"retrospective"})
"""Messages that ask nobody, and that are edited once more is known of what they tell."""
ALARMS = frozenset(
    {
        "ask_lead", "back_and_worse", "degraded", "failed",
        "not_by_itself", "quarantined", "refused", "rollback_hangs",
        "rollback_waits", "run_hangs", "smoke_failed", "stands_still", "stopped",
    }
)  # fmt: skip
"""Those of them that somebody decides about where they are read: their buttons are
the card's, as it is now.
"""


def answer(said: Answer, words: Words) -> Drawn:
    """Draw an answer, with its offers as buttons."""
    offers = [
        button(offer.action, offer.label, f"{offer.deployment} {offer.carries}".strip())
        for offer in said.offers[:MOST_OFFERS]
    ]
    return _said(words.text(f"answers/{said.name}", said.facts), offers)


def message(
    said: Message, words: Words, *, card_channel: str = "",
    card_url: str = "", names: Mapping[str, str] | None = None,
    card: Card | None = None,
) -> Drawn:  # fmt: skip
    """Draw a message; ``card_channel`` and ``card_url`` are where its deployment's card is,
    ``names`` are what people are called.

    ``card`` is that card as it is now: an alarm has its buttons.
    """
    if said.template == LATE_ANSWER:
        return _late_answer(said, words)
    offers = [
        button(action, text, said.deployment)
        for action, text in MESSAGE_BUTTONS.get(said.template, ())
        if "end" not in said.facts
    ]
    offers += _decisions(said, words, card)
    where = {"card_channel": card_channel, "card_url": card_url, "names": names or {}}
    actions = card.actions if card else (Action.ROLL_BACK,)
    can = {"can_roll_back": Action.ROLL_BACK in actions, "can_cancel": Action.CANCEL in actions}
    text = words.text(f"messages/{said.template}", {**where, **can, **said.facts})
    beside = _beside(said, words, card)
    return _said(f"{text}\n{beside}" if beside else text, offers if said.deployment else [])


def _late_answer(said: Message, words: Words) -> Drawn:
    """Draw an answer that could not be given at once; one that was a while ago says when it was."""
    offers = tuple(Offer(*offer) for offer in said.facts["offers"])
    drawn_then = answer(Answer(said.facts["name"], said.facts["facts"], offers), words)
    if not said.facts.get("overtaken"):
        return drawn_then
    first = words.text("answers/late", {"at": said.facts["overtaken"]})
    return Drawn(f"{first} {drawn_then.text}", [section(first).to_dict(), *drawn_then.blocks])


def _beside(said: Message, words: Words, card: Card | None) -> str:
    """Say on an alarm what its card says: how it stands, for a lead who is asked to look, and how
    one goes back where no button does.
    """
    if card is None or said.template not in ALARMS or "end" in said.facts:
        return ""
    if said.template == "ask_lead":
        return in_brief(card, words)
    if card.deployment.state not in CAN_ROLL_BACK or not card.rollback.refused:
        return ""
    is_said = said.template == "stopped" or any(
        card.rollback.refused in str(said.facts.get(fact, "")) for fact in ("held", "why")
    )
    return words.text("card/way_back", {"card": card, "is_said": is_said})


def _decisions(said: Message, words: Words, card: Card | None) -> list[ButtonElement]:
    """Draw the buttons of an alarm that still asks, unless something else was found since."""
    if card is None or said.template not in ALARMS or "end" in said.facts:
        return []
    finding = said.facts.get("finding")
    is_another = finding is not None and (card.trouble is None or card.trouble.alarm != finding)
    return [] if is_another else card_buttons(card, words, card.decisions)


def _rows(offers: Sequence[ButtonElement]) -> list[list[ButtonElement]]:
    """Put buttons into rows; Slack takes no action twice in one row, as for two
    locks that can be taken away.
    """
    rows: list[list[ButtonElement]] = []
    for offer in offers:
        row = next(
            (row for row in rows if all(each.action_id != offer.action_id for each in row)), None
        )
        if row is None:
            rows.append([offer])
        else:
            row.append(offer)
    return rows


def _said(text: str, offers: Sequence[ButtonElement]) -> Drawn:
    blocks: list[Block] = [*paged(text)]
    blocks += [buttons(row, f"{ids.OFFERS}{at or ''}") for at, row in enumerate(_rows(offers))]
    return drawn(text.split("\n", 1)[0], blocks)
