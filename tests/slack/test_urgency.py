"""Many cards have changed and Slack takes few edits: what is drawn, in which order, and what does
not keep the rest waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.deployment import State
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.rollout import Step, StepState
from bot.domain.trouble import Sort, Trouble
from bot.domain.urgency import Urgency, after_waiting, urgency
from bot.ports.talk import CardDue, Message
from bot.slack.announcer import SlackAnnouncer
from bot.slack.client import SlackClient
from bot.slack.due import DueCards
from bot.slack.pacing import Pacing
from bot.slack.render import Words

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
Until = Callable[[Callable[[], object]], Awaitable[None]]
Bot = Callable[..., Any]
FACTS = {
    "id": "storefront-42", "service": "storefront",
    "environment": "production", "version": "v1.2.0", "lead": "T1/UBO",
    "requested_by": "T1/UANA",
}  # fmt: skip


@pytest.fixture
def bot(client: SlackClient, postings: Any, world: Any) -> Bot:
    @asynccontextmanager
    async def running(
        *cards: str, edits: float = 6000, posts: float = 1000, **more: Any
    ) -> AsyncIterator[SlackAnnouncer]:
        pacing = Pacing(
            time.monotonic, updates_per_minute=edits, posts_per_second=posts, patience=0.05
        )
        announcer = SlackAnnouncer(
            client,
            postings,
            world.card_of,
            world.cards_due,
            Words(now=lambda: NOW),
            pacing=pacing,
            min_interval=0.0,
            **more,
        )
        await announcer.open(cards)
        try:
            yield announcer
        finally:
            await announcer.close()

    return running


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_urgency_and_numbers_that_are_worse_come_right_after_a_rollback(
    state: State,
) -> None:
    found = urgency(state, is_degraded=False)
    assert urgency(state, is_degraded=True) is min(found, Urgency.DEGRADED)
    assert (found is Urgency.ROLLING_BACK) == (state is State.ROLLING_BACK)


@pytest.mark.parametrize(
    ("found", "minutes", "then"),
    [
        (Urgency.AT_REST, 0, Urgency.AT_REST),
        (Urgency.AT_REST, 1, Urgency.MOVING),
        (Urgency.AT_REST, 60, Urgency.WAITING_FOR_A_PERSON),
        (Urgency.FAILED, 60, Urgency.FAILED),
    ],
)
def test_a_card_that_has_waited_comes_earlier_but_never_before_a_fire(
    found: Urgency, minutes: int, then: Urgency
) -> None:
    assert after_waiting(found, timedelta(minutes=minutes)) is then


@pytest.mark.case("reliability-2")
def test_the_most_urgent_card_comes_first_and_of_equals_the_one_that_waits_longer() -> None:
    due = DueCards()
    for number, found in enumerate(
        (Urgency.AT_REST, Urgency.MOVING, Urgency.ROLLING_BACK, Urgency.MOVING, Urgency.FAILED)
    ):
        due.note(f"shop-{number}", float(number))
        due.sort_in(f"shop-{number}", CardDue(f"shop-{number}", found, State.ROLLING_OUT), 10.0)
    order = [taken.card for _ in range(5) if (taken := due.take(10.0, lambda _: 0.0))]
    assert order == ["shop-2", "shop-4", "shop-1", "shop-3", "shop-0"]


@pytest.mark.case("reliability-2")
def test_a_card_that_becomes_urgent_while_it_waits_is_taken_as_what_it_is_now() -> None:
    due = DueCards()
    for card in ("shop-1", "shop-2"):
        due.note(card, 0.0)
        due.sort_in(card, CardDue(card, Urgency.MOVING, State.ROLLING_OUT), 0.0)
    due.note("shop-3", 1.0)
    due.sort_in("shop-3", CardDue("shop-2", Urgency.ROLLING_BACK, State.ROLLING_BACK), 1.0)
    taken = due.take(2.0, lambda _: 0.0)
    assert taken is not None
    assert (taken.card, taken.since) == ("shop-2", 0.0)


@pytest.mark.case("reliability-2")
async def test_one_card_is_drawn_for_each_edit_however_many_are_due(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    ids = [f"storefront-{number}" for number in range(40)]
    for each in ids:
        world.deployment(each)
    async with bot(*ids):
        await until(lambda: len(slack.channels["C1"]) == 40)
    world.drawn.clear()
    before = len(slack.asked("chat.update"))
    for each in ids:
        world.deployment(each, state=State.ROLLING_OUT)
    world.deployment("storefront-39", state=State.ROLLING_BACK)
    async with bot(*ids, edits=45):
        await until(lambda: len(slack.asked("chat.update")) - before == 11)
        drawn = list(world.drawn)
    assert len(drawn) == 11, (
        "ten edits at once, then one at a time; nothing is drawn that may not go out"
    )
    assert "storefront-39" in drawn[:2], (
        "the cards are noted one after another: the first may have been taken "
        "before the last was there"
    )


@pytest.mark.case("reliability-2")
async def test_a_new_card_waits_for_no_edit(bot: Bot, slack: Any, world: Any, until: Until) -> None:
    ids = [f"storefront-{number}" for number in range(20)]
    for each in ids:
        world.deployment(each)
    async with bot(*ids, edits=0.1) as announcer:
        await until(lambda: len(slack.channels["C1"]) == 20)
        for each in ids:
            world.deployment(each, state=State.CANCELLED)
            announcer.card_changed(each)
        await until(lambda: len(slack.asked("chat.update")) == 10)
        world.deployment("storefront-99")
        announcer.card_changed("storefront-99")
        await until(lambda: len(slack.channels["C1"]) == 21)


@pytest.mark.case("races-25")
async def test_two_hundred_messages_that_wait_for_their_cards_keep_no_alarm_out(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    slack.channels["C2"] = []
    for number in range(250):
        world.deployment(f"storefront-{number}", channel="C2")
        postings.put(Message(f"detail {number}", "live", FACTS, f"storefront-{number}"))
    world.deployment("checkout-1")
    alarm = {**FACTS, "by": "T1/UBO", "target": "v1", "reason": ""}
    async with bot("checkout-1", posts=0.01) as announcer:
        await until(lambda: slack.channels["C1"])
        postings.put(Message("alarm", "rolling_back", alarm, "checkout-1", to="channel"))
        announcer.outbox_changed()
        await until(lambda: len(slack.channels["C1"]) == 2)
    assert len(postings.waiting) > 200


@pytest.mark.case("races-29")
async def test_what_was_overtaken_while_it_waited_for_slack_is_not_posted(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    async def still_true(message: Message) -> Message | None:
        return None if message.template == "recovered" else message

    world.deployment()
    postings.put(
        Message("late", "recovered", {**FACTS, "counted": True}, "storefront-42", to="channel")
    )
    postings.put(Message("true", "live", FACTS, "storefront-42"))
    async with bot("storefront-42", still_true=still_true):
        await until(lambda: not postings.waiting)
    assert postings.overtaken == ["late"]
    assert len(slack.channels["C1"]) == 2


@pytest.mark.case("reliability-3")
@pytest.mark.parametrize(
    "refusal", ["invalid_auth", "token_revoked", "account_inactive", "missing_scope"]
)
async def test_while_slack_refuses_the_bot_nothing_is_put_aside_and_it_goes_on_by_itself(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until, refusal: str
) -> None:
    world.deployment()
    postings.put(Message("live", "live", FACTS, "storefront-42"))
    slack.refuses = refusal
    async with bot("storefront-42") as announcer:
        await until(lambda: announcer.problem)
        assert refusal in announcer.problem
        assert not postings.parked
        slack.refuses = ""
        await until(lambda: not postings.waiting)
        world.deployment(state=State.CANCELLED)
        announcer.card_changed("storefront-42")
        await until(lambda: "cancelled" in slack.texts()[0])
        assert announcer.problem == ""
    assert len(slack.channels["C1"]) == 2
    assert not postings.parked


@pytest.mark.case("reliability-3")
async def test_a_message_that_slack_refuses_is_said_to_be_missing_and_comes_at_the_next_start(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    async with bot("storefront-42"):
        await until(lambda: slack.channels["C1"])
    slack.faults["chat.postMessage"].append("error invalid_blocks")
    postings.put(Message("live", "live", FACTS, "storefront-42"))
    async with bot():
        await until(lambda: postings.parked)
    assert "could not be said" in slack.texts()[-1]
    async with bot():
        await until(lambda: len(slack.channels["C1"]) == 3)
    assert not postings.waiting


@pytest.mark.case("reliability-3")
async def test_replies_to_a_deleted_card_wait_for_the_new_one(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    async with bot("storefront-42"):
        await until(lambda: slack.channels["C1"])
        slack.channels["C1"].clear()
        postings.put(
            Message("live", "live", FACTS, "storefront-42"),
            Message("again", "live", FACTS, "storefront-42"),
        )
        await asyncio.sleep(0)
    async with bot():
        await until(lambda: not postings.waiting)
    assert not postings.parked
    card, *replies = slack.channels["C1"]
    assert [reply["thread_ts"] for reply in replies] == [card["ts"]] * 2


@pytest.mark.case("reliability-3")
async def test_a_card_that_slack_refused_is_shown_as_soon_as_it_changes(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    world.deployment()
    slack.faults["chat.postMessage"].append("error msg_too_long")
    async with bot("storefront-42") as announcer:
        await until(lambda: slack.asked("chat.postMessage"))
        world.deployment(state=State.CANCELLED)
        announcer.card_changed("storefront-42")
        await until(lambda: slack.channels["C1"])
    assert "cancelled" in slack.texts()[0]


def degraded(world: Any, errors: float) -> None:
    """Have a card say that errors are so much worse."""
    found = Finding(
        "errors",
        "errors",
        "%",
        Verdict.DEGRADED,
        errors,
        0.002,
        requests=1000 * errors,
        sentence=f"errors {errors:.1%}",
    )
    shot = Snapshot("storefront-1", "canary 5 %", NOW, Verdict.DEGRADED, (found,), where="canary-5")
    step = Step(0, "canary-5", 5, timedelta(minutes=10), StepState.HOLDING, deployed_at=NOW)
    card = world.deployment("storefront-1", state=State.ROLLING_OUT)
    trouble = Trouble(1, Sort.DEGRADED, "canary-5", (("errors", 30.0),))
    world.cards["storefront-1"] = replace(
        card, snapshot=shot, steps=(step,), trouble=trouble, now=NOW + timedelta(minutes=1)
    )


def edits_of(slack: Any, *, text: str) -> int:
    return sum(text in str(call) for call in slack.asked("chat.update"))


@pytest.mark.case("reliability-2")
async def test_a_card_whose_figures_alone_have_changed_is_edited_rarely_and_keeps_no_other_card_waiting(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    degraded(world, 0.06)
    world.deployment("storefront-2", state=State.AWAITING_APPROVAL)
    async with bot("storefront-1", "storefront-2", figures=100_000.0) as announcer:
        await until(lambda: len(slack.channels["C1"]) == 2)
        for number in range(7, 12):
            degraded(world, number / 100)
            announcer.card_changed("storefront-1")
        world.deployment("storefront-2", state=State.FAILED)
        announcer.card_changed("storefront-2")
        await until(lambda: any("FAILED" in text for text in slack.texts()))
        assert len(slack.asked("chat.update")) == 1
        world.cards["storefront-1"] = replace(
            world.cards["storefront-1"], standstill="locked", besides="locked"
        )
        announcer.card_changed("storefront-1")
        await until(lambda: edits_of(slack, text="errors 11.0%"))


@pytest.mark.case("reliability-2")
async def test_figures_that_have_changed_are_shown_in_the_end_and_after_every_card_that_says_something_else(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    degraded(world, 0.06)
    others = [f"storefront-{number}" for number in range(2, 8)]
    for each in others:
        world.deployment(each)
    async with bot("storefront-1", *others, figures=0.0) as announcer:
        await until(lambda: len(slack.channels["C1"]) == 7)
        degraded(world, 0.07)
        for each in others:
            world.deployment(each, state=State.AWAITING_APPROVAL)
        for each in (*others, "storefront-1"):
            announcer.card_changed(each)
        await until(lambda: len(slack.asked("chat.update")) == 7)
    assert "errors 7.0%" in str(slack.asked("chat.update")[-1])
