"""The announcer against a small strict Slack: nothing twice, nothing lost, and few calls."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.commands import Status
from bot.domain.deployment import State
from bot.domain.errors import Offer
from bot.domain.offer import RollbackOffer
from bot.domain.people import Person
from bot.domain.rollout import Step, StepState
from bot.domain.trouble import Sort, Trouble
from bot.ports.talk import Answer, Ending, Intent, Message, Place, Posting
from bot.slack.announcer import SlackAnnouncer
from bot.slack.client import SlackClient
from bot.slack.pacing import Pacing
from bot.slack.render import Words

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")
FACTS = {
    "id": "storefront-42", "service": "storefront",
    "environment": "production", "version": "v1.2.0", "lead": "T1/UBO",
    "requested_by": "T1/UANA",
}  # fmt: skip
Bot = Callable[..., Any]
Until = Callable[[Callable[[], object]], Awaitable[None]]


def say(key: str, template: str = "live", to: str = "thread", **facts: Any) -> Message:
    return Message(key, template, {**FACTS, **facts}, "storefront-42", to=to)


@pytest.fixture
def bot(client: SlackClient, postings: Any, world: Any) -> Bot:
    @asynccontextmanager
    async def running(
        *cards: str, min_interval: float = 0.0, **more: Any
    ) -> AsyncIterator[SlackAnnouncer]:
        words = Words(now=lambda: NOW)
        pacing = Pacing(time.monotonic, updates_per_minute=600, posts_per_second=100, patience=0.05)
        announcer = SlackAnnouncer(
            client,
            postings,
            world.card_of,
            world.cards_due,
            words,
            min_interval=min_interval,
            **{"pacing": pacing, **more},
        )
        await announcer.open(cards)
        try:
            yield announcer
        finally:
            await announcer.close()

    return running


async def test_a_card_is_posted_once_and_edited_in_place(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    world.deployment()
    async with bot() as announcer:
        announcer.card_changed("storefront-42")
        await until(lambda: slack.channels["C1"])
        world.deployment(state=State.CANCELLED)
        announcer.card_changed("storefront-42")
        await until(lambda: "cancelled" in slack.texts()[0])
    assert len(slack.channels["C1"]) == 1
    assert len(slack.asked("chat.update")) == 1
    assert not slack.asked("chat.postMessage")[0]["link_names"]


async def test_an_unchanged_card_costs_no_call(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    async with bot("storefront-42"):
        await until(lambda: postings.stored.get("card:storefront-42", Posting("", "")).ts)
    before = len(slack.calls)
    world.deployment("storefront-43")
    async with bot("storefront-42", "storefront-43"):
        await until(lambda: len(slack.channels["C1"]) == 2)
    assert [method for method, _ in slack.calls[before:]] == ["chat.postMessage"]


async def test_many_changes_become_one_edit_and_the_last_state_wins(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    world.deployment()
    async with bot("storefront-42", min_interval=0.4) as announcer:
        await until(lambda: slack.channels["C1"])
        for number in range(50):
            world.deployment(state=State.IMPOSSIBLE, note=f"note {number}")
            announcer.card_changed("storefront-42")
        await until(lambda: slack.asked("chat.update"))
    assert len(slack.asked("chat.update")) == 1
    assert "note 49" in str(slack.channels["C1"][0]["blocks"])


async def test_a_lost_answer_does_not_post_the_card_twice(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    slack.faults["chat.postMessage"].append("lost")
    async with bot("storefront-42"):
        await until(lambda: postings.stored.get("card:storefront-42", Posting("", "")).digest)
    assert len(slack.channels["C1"]) == 1


async def test_after_a_crash_between_intent_and_post_the_channel_is_searched_first(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    await postings.intend("card:storefront-42", "C1")
    slack.chat_postMessage(
        {
            "channel": "C1",
            "text": "old",
            "metadata": {"event_type": "gonogo", "event_payload": {"key": "card:storefront-42"}},
        }
    )
    async with bot("storefront-42"):
        await until(lambda: slack.texts() != ["old"])
    assert len(slack.channels["C1"]) == 1
    assert not slack.asked("chat.postMessage")


async def test_after_a_crash_before_the_post_it_is_posted(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    await postings.intend("card:storefront-42", "C1")
    async with bot("storefront-42"):
        await until(lambda: slack.channels["C1"])
    assert slack.asked("conversations.history")


async def test_a_429_is_obeyed_for_as_long_as_slack_says(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    world.deployment()
    slack.faults["chat.postMessage"].append("429 1")
    begin = time.monotonic()
    async with bot("storefront-42"):
        await until(lambda: slack.channels["C1"])
    assert time.monotonic() - begin >= 1
    assert len(slack.asked("chat.postMessage")) == 2
    assert not slack.asked("conversations.history"), "a refused post has certainly not happened"


async def test_slack_away_is_caught_up_with_one_edit(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    async with bot("storefront-42") as announcer:
        await until(lambda: postings.stored.get("card:storefront-42", Posting("", "")).ts)
        slack.away = True
        for number in range(5):
            world.deployment(state=State.IMPOSSIBLE, note=f"note {number}")
            announcer.card_changed("storefront-42")
        postings.put(say("storefront-42:live"))
        announcer.outbox_changed()
        await until(lambda: announcer._pacing.away() > 0)
        assert postings.waiting
        slack.away = False
        await until(lambda: not postings.waiting and slack.asked("chat.update"))
    assert len(slack.asked("chat.update")) == 1
    assert len(slack.channels["C1"]) == 2


async def test_messages_wait_for_the_card_and_come_in_order_alarms_first(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    postings.put(
        say("1"),
        say("2", "approved", by="T1/UCY"),
        say("3", "rolling_back", to="channel", by="T1/UBO", target="v1", reason=""),
    )
    async with bot():
        await until(lambda: not postings.waiting)
    card, *rest = slack.channels["C1"]
    assert [message["metadata"]["event_payload"]["key"] for message in rest] == ["3", "1", "2"]
    assert [message["thread_ts"] for message in rest] == ["", card["ts"], card["ts"]]


@pytest.mark.parametrize("fault", ["lost", "html", "429 0", "error internal_error"])
async def test_no_fault_posts_a_message_twice_or_loses_it(
    bot: Bot, slack: Any, world: Any, until: Until, fault: str
) -> None:
    world.deployment()
    world.postings.put(
        say("1"),
        say("2", "rolling_back", to="channel", by="T1/UBO", target="v1", reason=""),
        say("3", "ask_lead", "T1/UBO", by="T1/UCY"),
    )
    slack.faults["chat.postMessage"].extend([fault, "", fault, "", fault, ""])
    async with bot("storefront-42"):
        await until(lambda: not world.postings.waiting)
    keys = [
        message["metadata"]["event_payload"]["key"]
        for channel in slack.channels.values()
        for message in channel
    ]
    assert sorted(keys) == ["1", "2", "3", "card:storefront-42"]


async def test_a_message_that_slack_never_takes_is_put_aside_and_the_others_flow_on(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    postings.put(
        say("bad template", "no_such_template"),
        say("bad facts", "approved"),
        say("ghost", "ask_lead", "T1/UGHOST", by="T1/UCY"),
        say("good"),
    )
    async with bot():
        await until(lambda: not postings.waiting)
    assert set(postings.parked) == {"bad template", "bad facts", "ghost"}
    _card, *said = slack.channels["C1"]
    keys = {message["metadata"]["event_payload"]["key"] for message in said}
    assert keys == {"bad template:instead", "bad facts:instead", "good", "ghost:instead"}


async def test_a_deleted_card_is_posted_anew(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    world.deployment()
    async with bot("storefront-42") as announcer:
        await until(lambda: slack.channels["C1"])
        slack.channels["C1"].clear()
        world.deployment(state=State.CANCELLED)
        announcer.card_changed("storefront-42")
        await until(lambda: slack.channels["C1"])
    assert "cancelled" in slack.texts()[0]


@pytest.mark.parametrize("channel", ["", "CGONE"])
async def test_a_card_without_a_channel_goes_to_requester_and_lead(
    bot: Bot, slack: Any, world: Any, until: Until, channel: str
) -> None:
    world.deployment(channel=channel)
    world.postings.put(
        say("alarm", "rolling_back", to="channel", by="T1/UBO", target="v1", reason="")
    )
    async with bot("storefront-42") as announcer:
        await until(lambda: not world.postings.waiting)
        world.deployment(channel=channel, state=State.CANCELLED)
        announcer.card_changed("storefront-42")
        await until(lambda: slack.asked("chat.update"))
    keys = {
        name: [message["metadata"]["event_payload"]["key"] for message in slack.channels[name]]
        for name in ("DANA", "DBO")
    }
    assert keys == {
        "DANA": ["card:storefront-42:moved:T1/UANA", "card:storefront-42", "alarm"],
        "DBO": ["card:storefront-42:moved:T1/UBO", "alarm:lead"],
    }


async def test_a_card_that_belongs_to_a_person_lives_in_the_direct_channel(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    world.deployment(channel="UANA")
    async with bot("storefront-42") as announcer:
        await until(lambda: slack.channels.get("DANA"))
        world.deployment(channel="UANA", state=State.CANCELLED)
        announcer.card_changed("storefront-42")
        await until(lambda: "cancelled" in slack.texts("DANA")[0])
    assert len(slack.channels["DANA"]) == 1


async def test_a_picture_comes_into_the_thread_once(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    async def draw(_: Message) -> tuple[bytes, str]:
        return b"png", "errors 0.3 %"

    world.deployment()
    snapshot = {
        "label": "canary 25 %",
        "verdict": "healthy",
        "compared_with": "",
        "at": NOW.isoformat(),
        "findings": [],
    }
    postings.put(
        Message(
            "shot",
            "verified",
            {**FACTS, "snapshot": snapshot, "accepted": ""},
            "storefront-42",
            chart=True,
        )
    )
    slack.faults["files.completeUploadExternal"].extend(["429 0", "lost"])
    async with bot(draw=draw):
        await until(lambda: not postings.waiting)
    assert len(slack.files) == 1
    assert slack.files[0]["thread_ts"] == slack.channels["C1"][0]["ts"]


@pytest.mark.case("card-and-people-16")
async def test_a_picture_says_what_it_shows_and_the_last_one_is_not_posted_twice(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    pictures = {
        "a": (b"one", "errors 0.3 %"),
        "b": (b"one", "errors 0.3 %"),
        "c": (b"two", "errors 2.9 %"),
    }

    async def draw(message: Message) -> tuple[bytes, str]:
        return pictures[message.key]

    world.deployment()
    postings.put(*(Message(key, "live", FACTS, "storefront-42", chart=True) for key in pictures))
    async with bot(draw=draw):
        await until(lambda: not postings.waiting)
    assert [asked["alt_txt"] for asked in slack.asked("files.getUploadURLExternal")] == [
        "errors 0.3 %",
        "errors 2.9 %",
    ]


@pytest.mark.case("card-and-people-11")
async def test_what_asked_is_edited_to_its_end_and_loses_its_button(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    ends: dict[str, Ending] = {}

    async def ended(message: Message) -> Ending | None:
        return ends.get(message.key)

    world.deployment()
    postings.put(
        Message("ask", "acknowledge_request", {**FACTS, "until": ""}, "storefront-42", to=str(BO))
    )
    async with bot(ended=ended) as announcer:
        await until(lambda: postings.asks)
        [asks] = slack.channels["DBO"]
        assert "actions" in str(asks["blocks"])
        # it is edited all the same, and not only at the next change
        slack.faults["chat.update"].append("429 1")
        ends["ask"] = Ending("You have acknowledged it.")
        announcer.card_changed("storefront-42")
        await until(lambda: not postings.asks)
    [asks] = slack.channels["DBO"]
    assert "You have acknowledged it." in asks["text"]
    assert "actions" not in str(asks["blocks"])


@pytest.mark.case("card-and-people-11")
async def test_what_ended_while_the_bot_was_away_is_edited_at_the_start(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    postings.put(Message("ask", "ask_lead", {**FACTS, "by": str(ANA)}, "storefront-42", to=str(BO)))
    async with bot():
        await until(lambda: postings.asks)

    async def ended(_: Message) -> Ending:
        return Ending("It is rolled back.")

    async with bot(ended=ended):
        await until(lambda: not postings.asks)
    assert "It is rolled back." in slack.channels["DBO"][0]["text"]


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_has_the_buttons_of_its_card_and_loses_them_at_its_end(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    ends: dict[str, Ending] = {}

    async def ended(message: Message) -> Ending | None:
        return ends.get(message.key)

    def offered(message: dict[str, Any]) -> list[tuple[str, str]]:
        rows = [block["elements"] for block in message["blocks"] if block["type"] == "actions"]
        return [(button["action_id"], button["value"]) for row in rows for button in row]

    held = Step(0, "canary-5", 5, timedelta(minutes=10), StepState.HOLDING, deployed_at=NOW)
    card = replace(
        world.deployment(state=State.ROLLING_OUT, lead=BO),
        rollback=RollbackOffer("v1.1.0", "b" * 40),
        steps=(held,),
        trouble=Trouble(1, Sort.DEGRADED, held.key),
    )
    world.cards["storefront-42"] = card
    snapshot = {
        "label": "canary 5 %",
        "verdict": "degraded",
        "compared_with": "",
        "at": NOW.isoformat(),
        "findings": [],
    }
    facts = {
        **FACTS,
        "snapshot": snapshot,
        "where": held.key,
        "finding": 1,
        "until": "",
        "held": "",
        "beside": "",
        "by_itself": "",
    }
    postings.put(Message("alarm", "degraded", facts, "storefront-42", to="channel"))
    async with bot(ended=ended) as announcer:
        await until(lambda: postings.asks)
        shown, alarm = slack.channels["C1"]
        of_card = dict(offered(shown))
        assert offered(alarm) == [
            (name, of_card[name]) for name in ("gonogo.roll_back", "gonogo.proceed")
        ]
        world.cards["storefront-42"] = replace(card, can_be_taken_over=True)
        announcer.card_changed("storefront-42")
        await until(lambda: "gonogo.take_over" in str(alarm["blocks"]))
        world.cards["storefront-42"] = replace(card, trouble=Trouble(2, Sort.DEGRADED, held.key))
        announcer.card_changed("storefront-42")
        await until(lambda: not offered(alarm))
        ends["alarm"] = Ending("It is being rolled back.", is_final=False)
        announcer.card_changed("storefront-42")
        await until(lambda: "It is being rolled back." in alarm["text"])
        ends["alarm"] = Ending("It was rolled back to v1.1.0.")
        announcer.card_changed("storefront-42")
        await until(lambda: not postings.asks)
    assert "It was rolled back to v1.1.0." in alarm["text"]
    assert offered(alarm) == []


async def test_a_picture_that_cannot_be_drawn_costs_only_the_picture(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    async def draw(_: Message) -> tuple[bytes, str]:
        raise ValueError("no paint")

    world.deployment()
    postings.put(Message("live", "live", FACTS, "storefront-42", chart=True))
    async with bot(draw=draw):
        await until(lambda: not postings.waiting)
    assert not slack.files
    assert len(slack.channels["C1"]) == 2


def intent(**place: str) -> Intent:
    return Intent("k1", Status(), ANA, Place(**place), NOW)


async def test_an_answer_goes_through_the_response_url(bot: Bot, slack: Any) -> None:
    said = Answer(
        "refusal",
        {"sentence": "Only <@UBO>, the lead, can."},
        (Offer("ask_lead", "Ask the lead", "storefront-42"),),
    )
    async with bot() as announcer:
        await announcer.answer(intent(response_url=f"{slack.url}respond", channel="C1"), said)
    (response,) = slack.responses
    assert response["response_type"] == "ephemeral"
    assert response["text"] == "Only <@UBO>, the lead, can."
    offer = response["blocks"][1]["elements"][0]
    assert (offer["action_id"], offer["value"]) == ("gonogo.ask_lead", "storefront-42")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/respond",
        "https://hooks.slack.com.example.org/x",
        "https://hooks.slack.com@127.0.0.1/x",
        "nonsense",
    ],
)
async def test_an_answer_never_goes_to_a_strange_address(bot: Bot, slack: Any, url: str) -> None:
    async with bot() as announcer:
        await announcer.answer(
            intent(response_url=url, channel="C1"), Answer("locks", {"locks": [], "service": ""})
        )
    assert len(slack.whispers) == 1


@pytest.mark.parametrize("channel", ["", "UANA", "CGONE"])
async def test_an_answer_without_a_channel_is_a_direct_message(
    bot: Bot, slack: Any, channel: str
) -> None:
    async with bot() as announcer:
        await announcer.answer(
            intent(channel=channel), Answer("locks", {"locks": [], "service": ""})
        )
    assert len(slack.channels["DANA"]) == 1


async def test_a_used_up_response_url_is_answered_in_the_channel(bot: Bot, slack: Any) -> None:
    slack.faults["response_url"].append("404")
    async with bot() as announcer:
        await announcer.answer(
            intent(response_url=f"{slack.url}respond", channel="C1"),
            Answer("locks", {"locks": [], "service": ""}),
        )
    assert len(slack.whispers) == 1


@pytest.mark.parametrize(
    "answer",
    [Answer("no_such_answer"), Answer("refusal"), Answer("locks", {"locks": [], "service": ""})],
)
async def test_answering_never_raises(bot: Bot, slack: Any, answer: Answer) -> None:
    slack.away = True
    async with bot() as announcer:
        await announcer.answer(intent(channel="C1"), answer)


async def test_a_card_that_cannot_be_drawn_does_not_stop_the_others(
    bot: Bot, slack: Any, world: Any, until: Until
) -> None:
    world.deployment("storefront-41", version=None)
    world.cards["broken"] = None
    world.deployment()
    async with bot("broken", "storefront-41", "storefront-42"):
        await until(lambda: any("v1.2.0" in text for text in slack.texts()))


async def test_who_must_not_be_notified_is_named(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    async def name(person: Person) -> str:
        return {"UBO": "bo"}.get(person.user, person.user)

    world.deployment()
    entry = {"at": NOW.isoformat(), "action": "watch", "by": "T1/UBO", "facts": {}, "left_out": 0}
    facts: dict[str, Any] = {
        "owner": "T1/UANA",
        "due": NOW.isoformat(),
        "outcome": "rolled back",
        "target": "v1.1.0",
        "reason": "",
        "people": ["T1/UBO"],
        "timeline": [entry],
    }
    postings.put(say("k", "retrospective", **facts))
    async with bot(name=name):
        await until(lambda: len(slack.channels["C1"]) == 2)
    assert "watched by bo" in str(slack.channels["C1"][1]["blocks"])


async def test_an_alarm_links_to_the_card_and_asks_for_its_address_once(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    facts: dict[str, Any] = {
        "step": "canary-5",
        "percent": 5,
        "why": "exit 1",
        "url": "",
        "held": "",
        "back": False,
        "cancelled": False,
    }
    postings.put(
        say("a", "failed", "channel", **facts), say("b", "failed", "channel", **facts), say("c")
    )
    async with bot():
        await until(lambda: not postings.waiting)
    address = (
        "https://t1.slack.com/archives/C1/"
        f"p{postings.stored['card:storefront-42'].ts.replace('.', '')}"
    )
    assert (
        sum(f"<{address}|the card>" in str(message["blocks"]) for message in slack.channels["C1"])
        == 2
    )
    assert len(slack.asked("chat.getPermalink")) == 1


async def test_an_alarm_waits_for_no_address(
    bot: Bot, slack: Any, world: Any, postings: Any, until: Until
) -> None:
    world.deployment()
    slack.faults["chat.getPermalink"].append("error internal_error")
    postings.put(
        say(
            "a",
            "failed",
            "channel",
            step="canary-5",
            percent="5",
            why="exit 1",
            url="",
            held="",
            back=False,
            cancelled=False,
        )
    )
    async with bot():
        await until(lambda: not postings.waiting)
    assert "decides on the card." in str(slack.channels["C1"][-1]["blocks"])
