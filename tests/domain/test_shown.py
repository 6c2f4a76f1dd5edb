"""What each decision is about: when that changes, what was pressed is older than what is; when anything else does, it is not."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from bot.domain.card import Action
from bot.domain.shown import BINDS, Seen, token

SEEN = Seen(**{each.name: f"a {each.name}" for each in fields(Seen)})
ABOUT = {
    Action.APPROVE: "commit base strategy gates",
    Action.REJECT: "commit",
    Action.TICK: "commit",
    Action.ACKNOWLEDGE: "commit",
    Action.CONFIRM_PLAN: "commit target plan",
    Action.CANCEL: "commit",
    Action.ROLL_BACK: "commit target",
    Action.PROCEED: "commit finding",
    Action.STOP_COUNTDOWN: "commit finding",
    Action.WATCH: "commit",
    Action.UNLOCK: "lock",
    Action.ASK_LEAD: "lead",
    Action.TAKE_OVER: "lead",
    Action.OPEN_GATE: "gate",
    Action.DEPLOY_FIRST: "commit",
    Action.RETEST: "commit",
    Action.SAY_LIVE: "commit base doubt",
    Action.GO_NOW: "commit watched",
    Action.SHOW_CHANGES: "",
    Action.SHOW_TIMELINE: "",
}


@pytest.mark.parametrize("action", BINDS)
def test_a_decision_is_about_what_it_binds_and_about_nothing_else(action: Action) -> None:
    told = token(action, SEEN)
    changed = {each.name for each in fields(Seen) if token(action, replace(SEEN, **{each.name: "another"})) != told}
    assert changed == set(ABOUT[action].split())


def test_every_decision_has_its_own_digest() -> None:
    assert set(BINDS) == set(ABOUT)
    assert len({token(action, SEEN) for action in BINDS}) == len(BINDS)
    assert all(len(token(action, SEEN)) == 8 for action in BINDS)
