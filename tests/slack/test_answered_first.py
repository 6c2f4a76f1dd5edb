"""Slack takes few edits: what takes buttons away comes before all that only says
something new, in virtual time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bot.domain.deployment import State
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.offer import RollbackOffer
from bot.domain.rollout import Step, StepState
from bot.domain.trouble import Sort, Trouble
from bot.ports.talk import Ending, Message, Posting
from bot.slack.blocks import Drawn, buttons, drawn
from bot.slack.blocks import button as made
from bot.slack.client import SlackClient
from bot.slack.outbox import Outbox
from bot.slack.pacing import POSTS_AT_ONCE, UPDATE, UPDATES_AT_ONCE, Pacing
from bot.slack.postman import Postman
from bot.slack.references import References
from bot.slack.render import Words
from bot.slack.showing import RAREST, Cards, card_key

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
SLOT = 60 / 45
"""Seconds between two edits."""
TICK = 0.05
FACTS = {
    "id": "storefront-42", "service": "storefront",
    "environment": "production", "version": "v1.2.0", "lead": "T1/UBO",
    "requested_by": "T1/UANA",
}  # fmt: skip


@dataclass
class Book:
    """A Slack that takes every call, and when it took which edit."""

    clock: Callable[[], float]
    edits: list[tuple[float, str, Drawn]] = field(default_factory=list)

    async def update(self, _channel: str, _ts: str, drawn: Drawn, *, key: str) -> None:
        self.edits.append((self.clock(), key, drawn))

    async def permalink(self, _channel: str, ts: str) -> str:
        return f"https://slack.test/{ts}"

    async def name(self, _user: str) -> str:
        return "bo"

    def of(self, key: str) -> list[tuple[float, Drawn]]:
        return [(at, drawn) for at, edited, drawn in self.edits if edited == key]


class Shift:
    """Cards and alarms at Slack's real pace on a clock that is moved;
    the cards always ask first.
    """

    def __init__(self, world: Any, *, figures: float = 15.0) -> None:
        self.at = 0.0
        self.world = world
        self.ends: dict[str, Ending] = {}
        self.book = Book(lambda: self.at)
        pacing, client = Pacing(lambda: self.at), cast("SlackClient", self.book)
        self.postman = Postman(client, world.postings, pacing)
        words = Words(now=lambda: NOW)
        self.cards = Cards(
            world.card_of,
            world.cards_due,
            words,
            self.postman,
            pacing,
            min_interval=1.0,
            figures=figures,
            now=lambda: self.at,
        )
        self.outbox = Outbox(
            world.card_of, words, world.postings, self.postman,
            pacing, References(client, pacing, None), self.cards,
            draw=None, still_true=self._as_it_is, ended=self._ended,
        )  # fmt: skip

    @staticmethod
    async def _as_it_is(message: Message) -> Message:
        return message

    async def _ended(self, message: Message) -> Ending | None:
        return self.ends.get(message.key)

    def shows(self, key: str) -> None:
        """Have a message that was posted before."""
        self.world.postings.stored[key] = Posting(
            key, "C1", f"{len(self.world.postings.stored)}.1", "old"
        )

    async def pass_by(self, seconds: float, changing: Collection[str] = ()) -> None:
        """Let time pass, in which these cards change all the time."""
        until = self.at + seconds
        while self.at < until:
            for each in changing:
                self.world.deployment(
                    each, state=State.ROLLING_OUT, ref=f"{self.at}", version=f"v{self.at}"
                )
                self.cards.changed(each)
            while await self.cards.round() == 0.0:
                self.at += TICK / 100
            await self.outbox.round()
            self.at += TICK


def an_alarm(world: Any, shift: Shift) -> Message:
    """Have a rollout that is worse and its alarm, posted with its buttons."""
    found = Finding(
        "errors", "errors", "%", Verdict.DEGRADED, 0.06, 0.002, requests=60, sentence="errors 6.0 %"
    )
    shot = Snapshot(
        "storefront-42", "canary 5 %", NOW, Verdict.DEGRADED, (found,), where="canary-5"
    )
    step = Step(0, "canary-5", 5, timedelta(minutes=10), StepState.HOLDING, deployed_at=NOW)
    card = replace(
        world.deployment(state=State.ROLLING_OUT),
        snapshot=shot,
        steps=(step,),
        rollback=RollbackOffer("v1.1.0"),
    )
    world.cards["storefront-42"] = replace(
        card, trouble=Trouble(1, Sort.DEGRADED, "canary-5", (("errors", 30.0),))
    )
    facts = {
        "where": "canary-5",
        "finding": 1,
        "until": "",
        "held": "",
        "beside": "",
        "by_itself": "",
    }
    numbers = {
        "label": "canary 5 %",
        "verdict": "degraded",
        "compared_with": "",
        "at": NOW.isoformat(),
        "findings": [],
    }
    numbers |= {"silence": "", "lacking_since": ""}
    alarm = Message(
        "alarm", "degraded", {**FACTS, "snapshot": numbers, **facts}, "storefront-42", to="channel"
    )
    world.postings.asks[alarm.key] = alarm
    shift.shows(alarm.key)
    shift.shows(card_key("storefront-42"))
    return alarm


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_that_was_answered_asks_nothing_any_more_within_one_edit_while_every_other_card_is_due(
    world: Any,
) -> None:
    shift = Shift(world)
    alarm = an_alarm(world, shift)
    others = [f"storefront-{number}" for number in range(20)]
    for each in others:
        shift.shows(card_key(each))
    await shift.pass_by(60, others)
    assert len(shift.book.edits) >= 40, "Slack's pace is used up by the cards"
    answered = shift.at
    shift.ends[alarm.key] = Ending("It is being rolled back.")
    shift.outbox.stirred("storefront-42")
    await shift.pass_by(30, others)
    (at, shown), *_ = [(at, shown) for at, shown in shift.book.of("alarm") if at >= answered]
    assert at - answered <= SLOT
    assert "is being rolled back" in shown.text
    assert not shown.buttons


@pytest.mark.case("card-and-people-11")
async def test_three_messages_that_are_answered_at_once_follow_each_other_and_wait_for_no_card(
    world: Any,
) -> None:
    shift = Shift(world)
    alarm = an_alarm(world, shift)
    others = [f"storefront-{number}" for number in range(20)]
    for each in others:
        shift.shows(card_key(each))
    for key in ("second", "third"):
        world.postings.asks[key] = replace(alarm, key=key)
        shift.shows(key)
    await shift.pass_by(60, others)
    answered, keys = shift.at, ("alarm", "second", "third")
    shift.ends |= {key: Ending("It is being rolled back.") for key in keys}
    shift.outbox.stirred("storefront-42")
    await shift.pass_by(30, others)
    assert (
        max(at for key in keys for at, _ in shift.book.of(key) if at >= answered) - answered
        <= 3 * SLOT
    )


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_whose_countdown_was_stopped_loses_that_button_before_any_card_is_drawn(
    world: Any,
) -> None:
    shift = Shift(world)
    an_alarm(world, shift)
    others = [f"storefront-{number}" for number in range(20)]
    for each in others:
        shift.shows(card_key(each))
    counting = world.cards["storefront-42"]
    until = NOW + timedelta(minutes=5)
    world.cards["storefront-42"] = replace(
        counting, deployment=replace(counting.deployment, countdown_until=until)
    )
    shift.outbox.stirred("storefront-42")
    await shift.pass_by(60, others)
    stopped, (_, before) = shift.at, shift.book.of("alarm")[-1]
    world.cards["storefront-42"] = counting
    shift.outbox.stirred("storefront-42")
    await shift.pass_by(30, others)
    (at, after), *_ = [(at, shown) for at, shown in shift.book.of("alarm") if at >= stopped]
    assert at - stopped <= SLOT
    assert before.buttons - after.buttons == {"gonogo.stop_countdown"}


@pytest.mark.case("card-and-people-11")
async def test_a_card_with_a_danger_button_shows_its_new_state_within_one_edit_while_other_cards_and_its_alarms_are_edited(
    world: Any,
) -> None:
    shift = Shift(world)
    an_alarm(world, shift)
    others = [f"storefront-{number}" for number in range(20)]
    for each in others:
        shift.shows(card_key(each))
    shift.cards.changed("storefront-42")
    await shift.pass_by(60, others)
    card, shown = world.cards["storefront-42"], card_key("storefront-42")
    assert shift.book.of(shown)[-1][1].has_danger
    for state, says in ((State.ROLLING_BACK, "ROLLING BACK"), (State.ROLLED_BACK, "rolled back")):
        changed, steps = shift.at, () if state is State.ROLLED_BACK else card.steps
        world.cards["storefront-42"] = replace(
            card, deployment=replace(card.deployment, state=state), steps=steps
        )
        shift.outbox.stirred("storefront-42")
        shift.cards.changed("storefront-42")
        await shift.pass_by(30, others)
        (at, drawn), *_ = [(at, drawn) for at, drawn in shift.book.of(shown) if at >= changed]
        assert at - changed <= 2 * SLOT, (
            "one edit for it, and perhaps one for the alarm that loses its buttons"
        )
        assert says in drawn.text
        assert not drawn.has_danger


@pytest.mark.case("reliability-2")
async def test_a_card_on_which_only_the_time_that_is_left_changes_is_edited_ever_more_rarely(
    world: Any,
) -> None:
    shift = Shift(world)
    shift.shows(card_key("storefront-42"))
    step = Step(0, "rolling-50", 50, timedelta(0), StepState.RUNNING, started_at=NOW)
    card = replace(world.deployment(state=State.ROLLING_OUT), steps=(step,))
    for left in range(400, 0, -1):
        world.cards["storefront-42"] = replace(card, about_left=timedelta(minutes=left))
        shift.cards.changed("storefront-42")
        await shift.pass_by(1)
    times = [at for at, _ in shift.book.of(card_key("storefront-42"))]
    pauses = [round(after - before) for before, after in itertools.pairwise(times)]
    assert pauses == [15, 30, 60, 120, 15 * RAREST], (
        "it comes after twice the time, up to a longest"
    )
    world.cards["storefront-42"] = replace(
        card, steps=(replace(step, state=StepState.SMOKE),), about_left=timedelta(minutes=1)
    )
    shift.cards.changed("storefront-42")
    changed = shift.at
    await shift.pass_by(2)
    assert shift.book.of(card_key("storefront-42"))[-1][0] >= changed, (
        "that a smoke test began is said at once"
    )


def test_the_last_edit_is_kept_for_what_is_urgent() -> None:
    pacing = Pacing(lambda: 0.0)
    for _ in range(UPDATES_AT_ONCE):
        assert not pacing.wait(UPDATE, "C1")
        pacing.called(UPDATE, "C1")
    assert pacing.wait(UPDATE, "C1") == pytest.approx(SLOT)
    assert not pacing.wait(UPDATE, "C1", is_urgent=True)
    for _ in range(POSTS_AT_ONCE):
        assert not pacing.wait("chat.postMessage", "C1"), "of posts none is kept"
        pacing.called("chat.postMessage", "C1")
    assert pacing.wait("chat.postMessage", "C1", is_urgent=True)


def test_what_can_be_done_on_a_message_is_read_from_its_buttons() -> None:
    assert drawn(
        "text",
        [buttons([made("approve", "Approve", "shop-1"), made("watch", "Watch", "shop-1")], "row")],
    ).buttons == {
        "gonogo.approve",
        "gonogo.watch",
    }
    assert not drawn("text", []).buttons
