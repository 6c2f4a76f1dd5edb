"""What can happen next in the world of the state machine: what is bound to be refused seldom
happens, answers happen often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bot.dispatch.tables import AT_ONCE
from bot.domain import commands as say
from bot.domain.actions import Action
from bot.domain.commands import Command
from tests.services.conftest import PEOPLE
from tests.services.promises import Shown
from tests.services.world import World

WAITS = frozenset({"requested", "queued", "gated", "awaiting approval"})
GOES = frozenset({"rolling out", "watching"})
CAN_GO_BACK = GOES | {"verified", "accepted", "failed"}
PLACE = ("shop", "production")
VERBS: dict[str, Callable[[str, str, str, str], Command]] = {
    "deploy": lambda _id, _shown, version, _other: say.Deploy(*PLACE, version),
    "approve": lambda subject, shown, _version, _other: say.Approve(subject, shown),
    "reject": lambda subject, shown, _version, _other: say.Reject(subject, "no", shown),
    "tick": lambda subject, shown, _version, _other: say.Tick(subject, ("support",), (), shown),
    "untick": lambda subject, shown, _version, _other: say.Tick(subject, (), ("support",), shown),
    "cancel": lambda subject, _shown, _version, _other: say.Cancel(subject),
    "roll back": lambda subject, shown, _version, _other: say.RollBack(
        deployment=subject, shown=shown
    ),
    "roll back as it was shown before": lambda subject, shown, _version, _other: say.RollBack(
        deployment=subject, shown=shown
    ),
    "roll back all the same": lambda subject, shown, _version, _other: say.RollBack(
        deployment=subject, shown=shown, although_unknown=True
    ),
    "type a rollback": lambda _id, _shown, _version, _other: say.RollBack(*PLACE, reason="errors"),
    "type a rollback to": lambda _id, _shown, version, _other: say.RollBack(
        *PLACE, version, "errors"
    ),
    "hand over": lambda subject, _shown, _version, other: say.HandOver(
        subject, PEOPLE[other].user if other else "UCY"
    ),
    "take over": lambda subject, shown, _version, _other: say.TakeOver(subject, "fire", shown),
    "lock": lambda _id, _shown, _version, _other: say.Lock(*PLACE, "fire"),
    "unlock": lambda _id, _shown, _version, _other: say.Unlock(*PLACE),
    "proceed": lambda subject, shown, _version, _other: say.Proceed(subject, "noise", shown),
    "stop the countdown": lambda subject, shown, _version, _other: say.StopCountdown(
        subject, "noise", shown
    ),
    "say what is live": lambda _id, _shown, version, _other: say.SayLive(*PLACE, version, "seen"),
    "quarantine a version": lambda _id, _shown, version, _other: say.Quarantine(
        "shop", version, "bad"
    ),
    "lift a quarantine": lambda _id, _shown, version, _other: say.Unquarantine(
        "shop", version, "good"
    ),
    "acknowledge": lambda subject, shown, _version, _other: say.Acknowledge(subject, shown),
    "watch": lambda subject, shown, _version, _other: say.Watch(subject, shown),
    "ask the lead": lambda subject, shown, _version, _other: say.AskLead(subject, shown),
    "open the gate": lambda subject, _shown, _version, _other: say.OpenGate(subject),
    "test again": lambda subject, shown, _version, _other: say.Retest(subject, shown),
    "deploy elsewhere first": lambda subject, shown, _version, _other: say.DeployFirst(
        subject, shown
    ),
    "go now": lambda subject, shown, _version, _other: say.GoNow(subject, shown),
    "confirm the plan": lambda subject, shown, _version, _other: say.ConfirmPlan(
        subject, "by hand", shown
    ),
    "say why": lambda subject, _shown, _version, _other: say.SayWhy(subject, "errors"),
    "check": lambda _id, _shown, version, _other: say.Check(*PLACE, version),
    "see the status": lambda _id, _shown, _version, _other: say.Status("shop"),
    "see the history": lambda _id, _shown, _version, _other: say.History("shop"),
    "see the locks": lambda _id, _shown, _version, _other: say.Locks(),
}
"""Makes the command of each verb, of a deployment, what was shown, a version and another person."""
ACTIONS = {
    "approve": Action.APPROVE, "reject": Action.REJECT, "tick": Action.TICK,
    "untick": Action.TICK, "roll back": Action.ROLL_BACK,
    "roll back as it was shown before": Action.ROLL_BACK,
    "roll back all the same": Action.ROLL_BACK, "take over": Action.TAKE_OVER,
    "proceed": Action.PROCEED, "go now": Action.GO_NOW, "stop the countdown": Action.STOP_COUNTDOWN,
}  # fmt: skip
RIGHT = {
    "deploy": ("ana", "cy"), "go now": ("ana",),
    "approve": ("bo", "di"), "reject": ("bo", "di"),
    "tick": ("cy",), "untick": ("cy",), "cancel": ("bo",),
    "lock": ("bo",), "unlock": ("bo",), "take over": ("di", "bo"), "say what is live": ("bo",),
}  # fmt: skip
"""Who may do it; for everything else, the lead."""


def offered(world: World) -> list[Command]:
    """Give the commands of the buttons that the newest answers offered, newest last."""
    acting = {Action.ROLL_BACK, Action.SAY_LIVE}
    found = [
        offer
        for answer in world.answers.values()
        if answer
        for offer in answer.offers
        if offer.action in acting
    ]
    return [AT_ONCE[Action(offer.action)](offer.deployment, offer.carries) for offer in found]


def possible(world: World) -> list[str]:
    """Name what can happen next, each as often as it should."""
    found = [*_around(world), *_about_the_place(world)]
    for row in world.promises.rows(
        "select * from deployment where kind = 'forward' order by number desc limit 3"
    ):
        found += _about(world, row)
    return found


def _around(world: World) -> Iterator[str]:
    calls = len(world.process.calls)
    yield from ["answer"] * min(8 * calls, 16)
    yield from ["time"] * 4
    yield from ["die", "quarantine", "numbers", "anything"]
    if any(call.kind == "start" for call in world.process.calls):
        yield from ["taken over"] * 3
    if offered(world):
        yield from ["press"] * 2


def _about_the_place(world: World) -> Iterator[str]:
    rows = world.promises.rows
    yield from ["lock"] if not rows("select * from lock where deployment = ''") else ["unlock"] * 3
    if rows("select * from quarantine"):
        yield "lift"
    waiting = [
        row
        for row in rows("select state from deployment where kind = 'forward'")
        if row["state"] in WAITS
    ]
    yield from ["deploy"] * (2 if not waiting else 0)
    if rows("select * from place where unclear != ''") or rows("select * from stray"):
        yield from ["say what is live"] * 2


def _about(world: World, row: Any) -> Iterator[str]:
    """Name what can happen to one deployment, as ``verb id``."""
    subject, state, rows = row["id"], row["state"], world.promises.rows
    verbs: list[str] = []
    if state in WAITS:
        ticked = rows("select * from mark where deployment = ? and key = 'item:support'", subject)
        verbs += ["cancel", *(["untick"] if ticked else ["tick"] * 4)]
        verbs += ["go now"] if rows("select * from deployment where state = 'watching'") else []
        verbs += ["approve"] * 5 + ["reject"] if state == "awaiting approval" else []
    if state in CAN_GO_BACK and world.stands_on() == subject:
        verbs += [
            "roll back",
            "roll back",
            "roll back as it was shown before",
            "roll back as it was shown before",
            "look",
            "type a rollback",
        ]
        verbs += ["type a rollback to", "roll back all the same", "hand over", "take over"]
        verbs += ["press a rollback to what is gone"] * 2
        verbs += ["quarantine the target"] + (
            ["roll back while nothing answers"] if state in GOES and row["lead"] else []
        )
    if state == "rolling out" and rows(
        "select * from step where deployment = ? and run = '' and body like '%\"running\"%'",
        subject,
    ):
        verbs += ["roll back"] * 4  # while nobody has answered its start
    if state in GOES:
        is_worse = rows("select * from page where deployment = ? and kind = 'trouble'", subject)
        verbs += (
            ["proceed", "proceed", "give a word for what was shown before"]
            if is_worse
            else ["numbers"]
        )
        verbs += ["stop the countdown"] * 2 if row["countdown_until"] else []
    yield from [f"{verb}: {subject}" for verb in verbs]


def target_of(world: World) -> str:
    """Name the version that a rollback would put back now, as far as the file tells."""
    question = (
        'select version from verified where "commit" not in (select "commit" from quarantine) and '
        '"commit" != ? order by ended_at desc'
    )
    live = world.promises.one("select * from live")["commit"]
    current = world.promises.one("select * from deployment where id = ?", world.stands_on() or "")
    found = world.promises.one(question, current["commit"] if current else live)
    return str(found["version"]) if found else "v1"


def shown_to(world: World, verb: str, subject: str) -> Shown | None:
    """Give the button that somebody presses: the newest that they can see, or the
    oldest that they have seen.
    """
    action = ACTIONS.get(verb)
    if action is None:
        return None
    is_old = verb == "roll back as it was shown before"
    buttons = world.cards if is_old else world.looks_at(subject)
    return next(
        (button for button in buttons if (button.action, button.deployment) == (action, subject)),
        None,
    )
