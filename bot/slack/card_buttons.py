"""The buttons of a card, each bound to what the card shows now, and the questions that they ask."""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.models.blocks import ButtonElement

from bot.domain.actions import Action, helping
from bot.domain.card import Card
from bot.domain.readiness import Review
from bot.domain.shown import seen_on, token
from bot.slack.blocks import Question, button
from bot.slack.filters import plain
from bot.slack.render import Words

CONFIRM = 300


def card_buttons(card: Card, words: Words, possible: Sequence[Action]) -> list[ButtonElement]:
    """Draw buttons of a card, wherever they stand: each is bound to what the card shows now."""
    primary = next((action for action in helping(card) if action in possible), None)
    made: list[ButtonElement] = []
    for action in possible:
        is_harmful = action is Action.ROLL_BACK or (action is Action.CANCEL and card.can_only_stop)
        style = "danger" if is_harmful else "primary" if action is primary else None
        shown = card.under_way.gate if action is Action.OPEN_GATE else token(action, seen_on(card))
        about = f"{card.deployment.id} {shown}"
        made.append(
            button(
                action,
                button_label(action, card),
                about,
                style=style,
                question=_question(action, card, words),
            )
        )
    return made


def button_label(action: Action, card: Card) -> str:
    """Write on a card's button what it does."""
    deployment, target = card.deployment, plain(card.target, 40)
    labels = {
        Action.APPROVE: "Approve",
        Action.REJECT: "Reject…",
        Action.TICK: "Tick my items…",
        Action.ACKNOWLEDGE: "Acknowledge as on-call",
        Action.CANCEL: "Stop the rollout" if card.can_only_stop else "Cancel",
        Action.ROLL_BACK: _roll_back_label(card, target),
        Action.CONFIRM_PLAN: "Confirm the way back…",
        Action.PROCEED: "Let it go on…",
        Action.STOP_COUNTDOWN: "Stop the countdown…",
        Action.SAY_WHY: "Say why…",
        Action.WATCH: "I am watching",
        Action.UNLOCK: f"Unlock {plain(deployment.environment, 40)}",
        Action.ASK_LEAD: "Ask the lead",
        Action.TAKE_OVER: "Take over as on-call…",
        Action.OPEN_GATE: f"Go on with {plain(card.under_way.waits_at, 40)}",
        Action.RETEST: "Run the tests again",
        Action.SHOW_CHANGES: "What changes…",
        Action.SHOW_TIMELINE: "Timeline…",
        Action.GO_NOW: "Go now",
        Action.DEPLOY_FIRST: f"Deploy to {_environment_before(card.review)} first",
    }
    return labels[action]


def _roll_back_label(card: Card, target: str) -> str:
    if card.hangs is not None:
        return "Give the rollback up"
    return (
        f"Roll back to {target} now"
        if card.deployment.countdown_until
        else f"Roll back to {target}"
    )


def _environment_before(review: Review | None) -> str:
    return next(
        (plain(gate.first, 40) for gate in (review.gates if review else ()) if gate.first),
        "the environment before",
    )


def _question(action: Action, card: Card, words: Words) -> Question | None:
    deployment = card.deployment
    place = f"{plain(deployment.service, 30)} in {plain(deployment.environment, 20)}"
    version = plain(card.version, 36)
    if action is Action.ROLL_BACK and card.hangs is not None:
        text = words.plain_line("card/confirm_give_up", {"card": card}, CONFIRM)
        return Question(
            f"Give the rollback of {place} up?", text, "Give it up", "Wait", is_danger=True
        )
    if action is Action.ROLL_BACK:
        title = f"Roll back {place} to {plain(card.target, 36)}?"
        return Question(
            title, rollback_truth(card, words), "Roll back", f"Keep {version}", is_danger=True
        )
    if action is Action.UNLOCK and card.lock is not None:
        return Question(
            f"Unlock {place}?",
            words.plain_line("card/confirm_unlock", {"card": card}, CONFIRM),
            "Unlock",
            "Keep it locked",
        )
    if action is Action.OPEN_GATE:
        text = words.plain_line("card/confirm_gate", {"card": card}, CONFIRM)
        return Question(f"Go on with {plain(card.under_way.waits_at, 60)}?", text, "Go on", "Wait")
    if action is Action.GO_NOW and card.watched is not None:
        text = words.plain_line("card/confirm_go_now", {"card": card}, CONFIRM)
        return Question(
            f"Let {plain(deployment.service, 30)} {version} go now?", text, "Go now", "Wait"
        )
    if action is Action.CANCEL and card.can_only_stop:
        text = words.plain_line("card/confirm_stop", {"card": card}, CONFIRM)
        return Question(
            f"Stop the rollout of {plain(deployment.service, 30)} {version}?",
            text,
            "Stop it",
            "Not now",
            is_danger=True,
        )
    if action is Action.CANCEL:
        text = words.plain_line("card/confirm_cancel", {"card": card}, CONFIRM)
        return Question(
            f"Cancel the deployment of {plain(deployment.service, 30)} {version}?",
            text,
            "Cancel it",
            "Keep it",
        )
    return None


def rollback_truth(card: Card, words: Words) -> str:
    """Say in plain text what rolling back would do; of many authors only
    as many are named as fit.
    """
    authors = card.rollback.undoes.authors
    for named in range(min(len(authors), 4), -1, -1):
        names = [plain(author, 30) for author in authors[:named]]
        others = len(authors) - named if named else 0
        text = words.plain_line(
            "card/confirm_rollback", {"card": card, "authors": names, "others": others}, 2 * CONFIRM
        )
        if len(text) <= CONFIRM:
            return text
    return plain(text, CONFIRM)
