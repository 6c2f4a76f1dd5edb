"""The rules of authority as one table: who may do what, and in which
states it can be done at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.deployment import CAN_ROLL_BACK, OVER, WAITING, State
from tests.services.authority_world import OUTSIDERS, Who

MEMBERS = frozenset(Who) - OUTSIDERS
MAY_DEPLOY = frozenset({Who.DEVELOPER, Who.REQUESTER, Who.LEAD, Who.OPERATOR})
MAY_LOOK = MAY_DEPLOY | {Who.VIEWER}
MAY_LOCK = frozenset({Who.RELEASE_MANAGER, Who.OPERATOR})
MAY_HAND_OVER = MAY_LOCK
ITS_LEAD, ON_CALL, APPROVER = (
    frozenset({Who.LEAD}),
    frozenset({Who.ON_CALL}),
    frozenset({Who.APPROVER}),
)

EVER = frozenset(State)
LED = EVER - OVER | {State.VERIFIED, State.ACCEPTED, State.FAILED}
MOVING = frozenset({State.ROLLING_OUT, State.WATCHING})


@dataclass(frozen=True)
class Rule:
    """Who may, and in which states it can be done at all; ``standing`` may too, where the
    environment stands on the deployment.
    """

    who: frozenset[Who]
    when: frozenset[State] = EVER
    standing: frozenset[Who] = frozenset()
    asks: bool = False
    """Whether it only asks: nothing changes, whoever asks."""

    def allows(self, who: Who, state: State) -> bool:
        return state in self.when and (
            who in self.who or (who in self.standing and state in CAN_ROLL_BACK)
        )


RULES: Mapping[str, Rule] = {
    "help": Rule(MEMBERS, asks=True),
    "check": Rule(MAY_LOOK, asks=True),
    "status": Rule(MAY_LOOK, asks=True),
    "history": Rule(MAY_LOOK, asks=True),
    "locks": Rule(MAY_LOOK, asks=True),
    "deploy": Rule(MAY_DEPLOY),
    "deploy_first": Rule(MAY_DEPLOY, WAITING),
    "retest": Rule(MAY_DEPLOY, WAITING),
    "go_now": Rule(MAY_DEPLOY, frozenset({State.GATED})),
    "cancel": Rule(MAY_HAND_OVER | ITS_LEAD | {Who.REQUESTER}, WAITING),
    "tick": Rule(frozenset({Who.OWNER}), WAITING),
    "acknowledge": Rule(ON_CALL, WAITING),
    "confirm_plan": Rule(frozenset({Who.RELEASE_MANAGER}), WAITING),
    "approve": Rule(APPROVER, frozenset({State.AWAITING_APPROVAL})),
    "reject": Rule(APPROVER, frozenset({State.AWAITING_APPROVAL})),
    "open_gate": Rule((MAY_DEPLOY | ITS_LEAD) - {Who.REQUESTER}, frozenset({State.ROLLING_OUT})),
    "rollback": Rule(ITS_LEAD, CAN_ROLL_BACK),
    "proceed": Rule(ITS_LEAD, MOVING),
    "stop_countdown": Rule(ITS_LEAD, MOVING),
    "say_why": Rule(ITS_LEAD, frozenset({State.ROLLING_BACK, State.ROLLED_BACK})),
    "watch": Rule(ITS_LEAD, MOVING),
    "lead": Rule(ITS_LEAD | MAY_HAND_OVER, LED),
    "take_over": Rule(ON_CALL, LED),
    "ask_lead": Rule(MEMBERS - {Who.MEMBER}),
    "lock": Rule(MAY_LOCK),
    "unlock": Rule(MAY_LOCK),
    "quarantine": Rule(MAY_LOCK),
    "unquarantine": Rule(MAY_LOCK),
    "live": Rule(MAY_HAND_OVER, frozenset({State.FAILED}), standing=ITS_LEAD),
}
"""One rule for each verb, whatever door it comes through."""
