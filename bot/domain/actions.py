"""The actions: what may be done with a deployment now, and so which buttons its
card and its alarms carry.

They are derived from what the card holds, so a button that cannot work is never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.domain.deployment import ACTING, CAN_ROLL_BACK, State
from bot.domain.readiness import GateState, Review

if TYPE_CHECKING:
    from bot.domain.card import Card


class Action(StrEnum):
    """What a button on a card asks for. The value is the Slack action id
    (``gonogo.approve`` …) without its prefix.
    """

    APPROVE = "approve"
    REJECT = "reject"
    TICK = "tick"
    ACKNOWLEDGE = "acknowledge"
    CONFIRM_PLAN = "confirm_plan"  # of the migrations that no button goes back over
    CANCEL = "cancel"
    ROLL_BACK = "roll_back"
    SAY_WHY = "say_why"  # it was rolled back, or stopped, or its rollback was given up
    PROCEED = "proceed"
    STOP_COUNTDOWN = "stop_countdown"
    WATCH = "watch"
    UNLOCK = "unlock"
    ASK_LEAD = "ask_lead"  # only offered in a refusal
    # only offered in a refusal, and on an alarm where somebody else than the lead is on call
    TAKE_OVER = "take_over"
    OPEN_GATE = "open_gate"  # of the pipeline's own
    RETEST = "retest"  # the tests of the pinned commit
    DEPLOY_FIRST = "deploy_first"  # deploy the same commit to the environment before
    SAY_LIVE = "say_live"  # only offered in the dialog that answers /deploy live
    GO_NOW = "go_now"  # do not wait for the end of the watch of the deployment before
    RUN_CORRECTED = "run_corrected"  # only offered in a refusal: the command that was meant
    SHOW_CHANGES = "show_changes"  # every commit and file that would change; nothing is done
    SHOW_TIMELINE = "show_timeline"  # what happened, for the retrospective; nothing is done


BINDS: Mapping[Action, tuple[str, ...]] = {
    Action.APPROVE: ("commit", "base", "strategy", "gates"),
    Action.REJECT: ("commit",),
    Action.TICK: ("commit",),
    Action.ACKNOWLEDGE: ("commit",),
    Action.CONFIRM_PLAN: ("commit", "target", "plan"),
    Action.CANCEL: ("commit", "begun"),
    Action.ROLL_BACK: ("commit", "target", "rest"),
    Action.SAY_WHY: ("commit", "deed"),
    Action.PROCEED: ("commit", "finding"),
    Action.STOP_COUNTDOWN: ("commit", "finding"),
    Action.WATCH: ("commit",),
    Action.UNLOCK: ("lock",),
    Action.ASK_LEAD: ("lead",),
    Action.TAKE_OVER: ("lead",),
    Action.OPEN_GATE: ("gate",),
    Action.DEPLOY_FIRST: ("commit",),
    Action.RETEST: ("commit",),
    Action.SAY_LIVE: ("commit", "named", "base", "doubt"),
    Action.GO_NOW: ("commit", "watched"),
    Action.RUN_CORRECTED: (),
    Action.SHOW_CHANGES: (),
    Action.SHOW_TIMELINE: (),
}
"""What each decision is about: fields of ``shown.Seen``.

A rollback is about what goes and what comes back, and whether the watch has ended: what rolls out
or is watched may go back at any share, while what is verified or accepted since is asked about
anew.
"""

DECISIONS = frozenset({Action.ROLL_BACK, Action.STOP_COUNTDOWN, Action.PROCEED, Action.WATCH})
"""What an alarm asks for: its buttons are the card's, as far as the card has them now."""


def possible(card: Card) -> tuple[Action, ...]:
    """Name the buttons that make sense now, in the order in which they are shown."""
    state = card.deployment.state
    actions = _before_it_goes(card)
    if state in ACTING and card.under_way.waits_at and not card.is_gate_kept:
        actions.append(Action.OPEN_GATE)
    if card.hangs is not None or (state in CAN_ROLL_BACK and card.rollback.is_possible):
        actions.append(Action.ROLL_BACK)
    if card.can_only_stop:
        actions.append(Action.CANCEL)
    if card.deployment.countdown_until is not None:
        actions.append(Action.STOP_COUNTDOWN)
    elif card.waits_for_word and not card.besides:
        actions.append(Action.PROCEED)
    if state is State.WATCHING and card.deployment.lead not in card.watched_by:
        actions.append(Action.WATCH)
    if card.why is not None and card.why.is_asked:
        actions.append(Action.SAY_WHY)
    if state is State.ROLLED_BACK and card.lock is not None:
        actions.append(Action.UNLOCK)
    actions += _to_read(card)
    if card.deployment.has_touched_nothing:
        actions.append(Action.CANCEL)
    return tuple(actions)


def helping(card: Card) -> tuple[Action, ...]:
    """Name what brings the deployment on, the nearest first: the first of these that is
    possible is the primary button.
    """
    blocking = (
        [gate for gate in card.review.gates if gate.blocks] if card.review is not None else []
    )
    opens = {
        Action.ACKNOWLEDGE: any(gate.key == "on-call" for gate in blocking),
        Action.TICK: any(gate.key.startswith("item:") for gate in blocking),
        Action.CONFIRM_PLAN: any(gate.plan for gate in blocking),
        Action.DEPLOY_FIRST: any(gate.first for gate in blocking),
        Action.RETEST: any(gate.again for gate in blocking),
    }
    return (
        Action.APPROVE,
        Action.WATCH,
        *(action for action, helps in opens.items() if helps),
        Action.OPEN_GATE,
    )


def harmful(card: Card) -> frozenset[Action]:
    """Name the buttons that may do harm as things are now: they are red, and ask again."""
    return frozenset({Action.ROLL_BACK} | ({Action.CANCEL} if card.can_only_stop else set()))


def on_an_alarm(card: Card) -> tuple[Action, ...]:
    """Name the buttons of an alarm about the card's deployment, as things are now."""
    also = {
        Action.CANCEL: card.can_only_stop,
        Action.OPEN_GATE: card.deployment.state is State.ROLLING_BACK,
    }
    also[Action.SAY_WHY] = card.deployment.state is State.FAILED
    mine = tuple(
        action for action in possible(card) if action in DECISIONS or also.get(action, False)
    )
    return (
        (*mine, Action.TAKE_OVER) if card.can_be_taken_over and {*mine} - {Action.SAY_WHY} else mine
    )


def _before_it_goes(card: Card) -> list[Action]:
    """Name what can be decided while gates and approvals are open."""
    actions: list[Action] = []
    if card.deployment.state is State.AWAITING_APPROVAL:
        actions += [Action.APPROVE, Action.REJECT]
    if card.deployment.state is State.GATED and card.review is not None:
        actions += _gate_actions(card.review)
    elif card.deployment.state is State.AWAITING_APPROVAL and card.review is not None:
        actions += [*_ticks(card.review), *_plans(card.review)]
    return [*actions, Action.GO_NOW] if card.can_go_now else actions


def _to_read(card: Card) -> list[Action]:
    """Name what there is to read more about: what would change before it changes; what happened
    once it has failed or was ended.
    """
    if card.deployment.state in {State.ROLLED_BACK, State.FAILED}:
        return [Action.SHOW_TIMELINE]
    waits = card.deployment.state in {State.GATED, State.AWAITING_APPROVAL}
    return (
        [Action.SHOW_CHANGES]
        if waits and card.changes.known and (card.changes.total or card.changes.taken.total)
        else []
    )


def _ticks(review: Review) -> list[Action]:
    """Offer the checklist as long as nothing has begun: what was ticked
    can turn out not to be so.
    """
    return [Action.TICK] if any(gate.key.startswith("item:") for gate in review.gates) else []


def _plans(review: Review) -> list[Action]:
    """Offer to confirm the way back until the rollout begins: also an optional
    gate is still open then.
    """
    is_open = any(
        gate.plan and gate.state in {GateState.OPEN, GateState.UNKNOWN} for gate in review.gates
    )
    return [Action.CONFIRM_PLAN] if is_open else []


def _gate_actions(review: Review) -> list[Action]:
    open_keys = {
        gate.key for gate in review.gates if gate.state in {GateState.OPEN, GateState.UNKNOWN}
    }
    actions = _ticks(review)
    if "on-call" in open_keys:
        actions.append(Action.ACKNOWLEDGE)
    actions += _plans(review)
    if any(gate.again and not gate.startable for gate in review.gates):
        actions.append(Action.RETEST)
    if any(gate.first for gate in review.gates if gate.key in open_keys):
        actions.append(Action.DEPLOY_FIRST)
    return actions
