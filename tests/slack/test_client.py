"""The client and the directory: what Slack's refusals, silences and people mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.people import Person
from bot.slack.blocks import Drawn
from bot.slack.client import SlackClient, SlackError
from bot.slack.directory import SlackDirectory
from bot.slack.pacing import UPDATE, Pacing

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
ANA = Person("T1", "UANA")
SAID = Drawn("hello")


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


@pytest.mark.parametrize(
    ("fault", "code", "retry", "perhaps_done", "wait"),
    [
        ("429 7", "ratelimited", True, False, 7.0), ("429", "ratelimited", True, False, 30.0),
        ("429 soon", "ratelimited", True, False, 30.0),
        ("429 nan", "ratelimited", True, False, 30.0),
        ("429 999999", "ratelimited", True, False, 600.0),
        ("error channel_not_found", "channel_not_found", False, False, 0.0),
        ("error internal_error", "internal_error", True, True, 0.0),
        ("html", "status 502", True, True, 0.0),
        ("lost", "ServerDisconnectedError", True, True, 0.0),
    ],
)  # fmt: skip
async def test_a_failure_says_whether_to_try_again(
    client: SlackClient,
    slack: Any,
    *,
    fault: str,
    code: str,
    retry: bool,
    perhaps_done: bool,
    wait: float,
) -> None:
    slack.faults["chat.postMessage"].append(fault)
    with pytest.raises(SlackError) as failed:
        await client.post("C1", SAID, key="k")
    error = failed.value
    assert (error.vendor, error.code, error.retry, error.perhaps_done, error.wait) == (
        "Slack",
        code,
        retry,
        perhaps_done,
        wait,
    )
    assert len(slack.asked("chat.postMessage")) == 1, "no call is repeated by itself"


async def test_a_call_takes_no_longer_than_its_timeout(slack: Any) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        hasty = SlackClient(session, token="xoxb-test", base_url=f"{slack.url}api/", timeout=0.0001)
        with pytest.raises(SlackError) as failed:
            await hasty.post("C1", SAID, key="k")
    assert (failed.value.retry, failed.value.perhaps_done) == (True, True)


async def test_no_connection_means_certainly_not_done() -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        with pytest.raises(SlackError) as failed:
            await SlackClient(session, token="xoxb-test", base_url="http://127.0.0.1:9/api/").post(
                "C1", SAID, key="k"
            )
    assert (failed.value.retry, failed.value.perhaps_done) == (True, False)


async def test_a_message_is_found_by_its_key_alone(client: SlackClient, slack: Any) -> None:
    _, ts = await client.post("C1", SAID, key="one")
    await client.post("C1", SAID, key="two")
    assert await client.find("C1", "one") == ts
    assert await client.find("C1", "three") == ""
    _, reply = await client.post("C1", SAID, key="reply", thread=ts)
    assert await client.find("C1", "reply", thread=ts) == reply
    assert slack.asked("conversations.history")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(client: SlackClient, clock: Clock) -> SlackDirectory:
    return SlackDirectory(client, team="T1", clock=clock)


async def test_a_member_is_looked_up_once_a_minute(
    directory: SlackDirectory, slack: Any, clock: Clock
) -> None:
    for _ in range(3):
        assert (await directory.profile(ANA)).is_member
    assert len(slack.asked("users.info")) == 1
    clock.time += timedelta(seconds=61)
    await directory.profile(ANA)
    assert len(slack.asked("users.info")) == 2


@pytest.mark.parametrize(
    ("says", "why_not"),
    [
        ({"is_restricted": True}, "is a guest of this workspace"),
        ({"is_ultra_restricted": True}, "is a guest of this workspace"),
        ({"is_bot": True}, "is a bot"), ({"deleted": True}, "is deactivated"),
        ({"team_id": "T2"}, "belongs to another workspace"),
        ({"is_stranger": True}, "belongs to another workspace"),
        ({"id": "UX"}, "is not known in this workspace"),
        ({"team_id": None}, "belongs to another workspace"),
    ],
)  # fmt: skip
async def test_whoever_is_no_full_member_is_none(
    directory: SlackDirectory, slack: Any, says: dict[str, Any], why_not: str
) -> None:
    slack.users["UANA"].update(says)
    profile = await directory.profile(ANA)
    assert (profile.is_member, profile.why_not) == (False, why_not)


async def test_somebody_of_another_workspace_is_refused_without_a_call(
    directory: SlackDirectory, slack: Any
) -> None:
    assert not (await directory.profile(Person("T2", "UANA"))).is_member
    assert not (await directory.profile(Person("T1", "UGHOST"))).is_member
    assert len(slack.asked("users.info")) == 1


async def test_a_member_of_a_grid_is_a_member_of_each_of_its_workspaces(
    directory: SlackDirectory, slack: Any
) -> None:
    slack.users["UANA"].update({"team_id": "E1", "enterprise_user": {"teams": ["T0", "T1"]}})
    assert (await directory.profile(ANA)).is_member


@pytest.mark.case("trust-2")
async def test_while_slack_is_away_nothing_older_than_a_minute_counts(
    directory: SlackDirectory, slack: Any, clock: Clock
) -> None:
    await directory.profile(ANA)
    await directory.members("S1")
    slack.away = True
    clock.time += timedelta(seconds=59)
    assert (await directory.profile(ANA)).is_member
    clock.time += timedelta(seconds=2)
    with pytest.raises(SlackError):
        await directory.profile(ANA)
    with pytest.raises(SlackError):
        await directory.members("S1")


@pytest.mark.case("trust-2")
async def test_what_gives_a_right_is_asked_past_what_is_remembered(
    directory: SlackDirectory, slack: Any
) -> None:
    assert (await directory.profile(ANA)).is_member
    slack.users["UANA"]["deleted"] = True
    assert (await directory.profile(ANA)).is_member, (
        "for a question, what was said a moment ago does"
    )
    assert not (await directory.profile(ANA, fresh=True)).is_member
    assert not (await directory.profile(ANA)).is_member
    assert await directory.members("S1")
    slack.groups["S1"].clear()
    assert not await directory.members("S1", fresh=True)


async def test_what_was_last_known_is_remembered_and_asks_nobody(
    directory: SlackDirectory, slack: Any, clock: Clock
) -> None:
    assert directory.remembered(ANA) is None
    await directory.profile(ANA)
    clock.time += timedelta(days=1)
    known = directory.remembered(ANA)
    assert known is not None
    assert known.is_member
    assert len(slack.asked("users.info")) == 1


async def test_a_group_that_cannot_be_read_is_an_error_and_not_an_empty_group(
    directory: SlackDirectory,
) -> None:
    with pytest.raises(SlackError):
        await directory.members("SGONE")


def test_edits_share_one_budget_and_posts_have_one_per_channel() -> None:
    time = [0.0]
    pacing = Pacing(lambda: time[0])
    for _ in range(10):
        assert pacing.wait(UPDATE, "C1") == 0
        pacing.called(UPDATE, "C1")
    assert pacing.wait(UPDATE, "C2") == pytest.approx(60 / 45)
    for _ in range(4):
        pacing.called("chat.postMessage", "C1")
    assert pacing.wait("chat.postMessage", "C1") == pytest.approx(1)
    assert pacing.wait("chat.postMessage", "C2") == 0
    time[0] = 60.0
    assert pacing.wait(UPDATE, "C2") == 0


def test_in_any_minute_fewer_edits_go_out_than_slack_allows() -> None:
    time = [0.0]
    pacing = Pacing(lambda: time[0])
    out: list[float] = []
    while time[0] < 300:
        if not pacing.wait(UPDATE, "C1"):
            pacing.called(UPDATE, "C1")
            out.append(time[0])
        time[0] += 0.1
    assert max(sum(begin <= at < begin + 60 for at in out) for begin in out) <= 55


def test_a_refusal_closes_its_method_and_an_absence_everything() -> None:
    time = [0.0]
    pacing = Pacing(lambda: time[0])
    pacing.refused("chat.postMessage", "C1", 7)
    assert pacing.wait("chat.postMessage", "C1") == 7
    assert pacing.wait("chat.postMessage", "C2") == 0
    waits = []
    for _ in range(7):
        pacing.missed()
        waits.append(pacing.wait(UPDATE, "C1"))
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    pacing.answered()
    assert pacing.wait(UPDATE, "C1") == 0
