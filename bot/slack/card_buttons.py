"""The buttons of a card, each bound to what the card shows now, and the questions that they ask.
Their words are in ``templates/slack/verbs``.
"""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.models.blocks import ButtonElement

from bot.domain.actions import Action, harmful, helping
from bot.domain.card import Card
from bot.domain.shown import seen_on, token
from bot.slack.blocks import BUTTON, Question, button
from bot.slack.filters import plain
from bot.slack.render import Words

CONFIRM = 300
OPTIONAL = 10
"""How many sentences of a rollback's question can be left out, one after the other."""
_TITLE, _ANSWER = 100, 40


def card_buttons(card: Card, words: Words, possible: Sequence[Action]) -> list[ButtonElement]:
    """Draw buttons of a card, wherever they stand: each is bound to what the card shows now."""
    primary = next((action for action in helping(card) if action in possible), None)
    made: list[ButtonElement] = []
    for action in possible:
        is_harmful = action in harmful(card)
        style = "danger" if is_harmful else "primary" if action is primary else None
        shown = card.under_way.gate if action is Action.OPEN_GATE else token(action, seen_on(card))
        about = f"{card.deployment.id} {shown}"
        question = _question(action, card, words, is_danger=is_harmful)
        made.append(
            button(action, button_label(action, card, words), about, style=style, question=question)
        )
    return made


def button_label(action: Action, card: Card, words: Words) -> str:
    """Write on a card's button what it does."""
    return _said(action, "label", card, words, BUTTON)


def _question(action: Action, card: Card, words: Words, *, is_danger: bool) -> Question | None:
    """Ask again before a button acts, where its words have a question."""
    if not words.has(f"verbs/{action}", "question"):
        return None
    title = _said(action, "title", card, words, _TITLE)
    if not title:  # there is nothing to ask about
        return None
    text = (
        rollback_truth(card, words)
        if action is Action.ROLL_BACK
        else _said(action, "question", card, words, CONFIRM)
    )
    yes, no = (_said(action, answer, card, words, _ANSWER) for answer in ("yes", "no"))
    return Question(title, text, yes, no, is_danger=is_danger)


def _said(action: Action, block: str, card: Card, words: Words, longest: int) -> str:
    return words.plain_line(f"verbs/{action}#{block}", {"card": card, "now": card.now}, longest)


def rollback_truth(card: Card, words: Words) -> str:
    """Say in plain text what rolling back would do. Where that is more than fits, what matters
    least is left out whole, and only as many authors are named as fit.
    """
    authors = card.rollback.undoes.authors
    most = min(len(authors), 4)
    fewer = [(most, 0), *((named, 1) for named in range(most, -1, -1))]
    text = ""
    for named, without in [*fewer, *((0, each) for each in range(2, OPTIONAL + 1))]:
        names = [plain(author, 30) for author in authors[:named]]
        others = len(authors) - named if named else 0
        facts = {
            "card": card,
            "now": card.now,
            "authors": names,
            "others": others,
            "without": without,
        }
        text = words.plain_line(f"verbs/{Action.ROLL_BACK}#question", facts, 2 * CONFIRM)
        if len(text) <= CONFIRM:
            return text
    return plain(text, CONFIRM)
