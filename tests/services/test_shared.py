"""What providers say is asked once for all that wait, ever more rarely, within a budget, and
afresh by whatever acts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from bot.domain.changes import Changes
from bot.domain.commands import Check, Retest
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError, NotAskedYet
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.engine.simulated import VirtualClock
from bot.ports.ci import CIProvider, Quality, Question, RunHint, StartRequest
from bot.ports.providers import Providers
from bot.registry import known_kinds
from bot.services import webhooks
from bot.services.shared import A_MINUTE, SharedAnswers, afresh
from bot.services.shared_providers import shared
from tests.services.conftest import COMMITS, SHOP, ToldCI

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
C1 = ("github", "tests", "shop", "c1")
Team = Any
"""The fixture ``team``."""


class Vendor:
    """Counts its questions."""

    def __init__(self) -> None:
        self.asked = 0
        self.says = "green"
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self) -> str:
        self.asked += 1
        await self.open.wait()
        if self.away:
            raise IntegrationError("no answer", vendor="GitHub")
        return self.says


class Room:
    """The shared answers of one vendor, and the time that passes."""

    def __init__(self) -> None:
        self.clock, self.vendor = VirtualClock(), Vendor()
        self.answers = SharedAnswers(self.clock)

    async def ask(self, *key: str, requests: int = 1, is_settled: bool = True) -> str:
        told = await self.answers.ask(
            key or C1, self.vendor.answer, requests=requests, is_settled=lambda _: is_settled
        )
        return str(told.value)

    async def asked_within(self, time: timedelta, *, is_settled: bool = True) -> int:
        """Count how often the vendor is asked while somebody looks every five seconds."""
        before, until = self.vendor.asked, self.clock.now() + time
        while self.clock.now() < until:
            try:
                await self.ask(is_settled=is_settled)
            except IntegrationError:
                assert self.vendor.away
            self.clock.advance(5 * SECOND)
        return self.vendor.asked - before


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.mark.case("reliability-4")
async def test_a_thousand_that_wait_ask_once(room: Room) -> None:
    room.vendor.open.clear()
    waiting = [asyncio.create_task(room.ask()) for _ in range(1000)]
    await asyncio.sleep(0)
    room.vendor.open.set()
    assert set(await asyncio.gather(*waiting)) == {"green"}
    assert await room.ask() == "green"
    assert room.vendor.asked == 1


@pytest.mark.case("reliability-4")
async def test_a_thousand_that_wait_find_out_by_one_question_that_a_vendor_is_away(
    room: Room,
) -> None:
    room.vendor.away = True
    found = await asyncio.gather(*(room.ask() for _ in range(1000)), return_exceptions=True)
    assert {str(each) for each in found} == {"no answer"}
    with pytest.raises(IntegrationError, match="no answer"):
        await room.ask()
    assert room.vendor.asked == 1


@pytest.mark.case("reliability-4")
async def test_a_vendor_that_is_away_is_asked_once_a_minute_and_its_return_is_seen_then(
    room: Room,
) -> None:
    room.vendor.away = True
    await room.asked_within(10 * MINUTE)
    assert 9 <= await room.asked_within(10 * MINUTE) <= 11
    room.vendor.away = False
    room.clock.advance(MINUTE)
    assert await room.ask() == "green"


@pytest.mark.case("reliability-4")
async def test_once_a_vendor_answers_anything_what_it_did_not_answer_is_asked_for_anew(
    room: Room,
) -> None:
    room.vendor.away = True
    for commit in ("c1", "c2"):
        with pytest.raises(IntegrationError, match="no answer"):
            await room.ask("github", "tests", "shop", commit)
    room.vendor.away = False
    with pytest.raises(IntegrationError, match="no answer"):  # one question in a while, for all
        await room.ask("github", "tests", "shop", "c1")
    assert room.vendor.asked == 2
    assert await room.ask("github", "tests", "shop", "c3") == "green"
    assert [await room.ask("github", "tests", "shop", commit) for commit in ("c1", "c2")] == [
        "green",
        "green",
    ]


async def test_what_another_vendor_answers_says_nothing_of_one_that_is_away(room: Room) -> None:
    room.vendor.away = True
    with pytest.raises(IntegrationError, match="no answer"):
        await room.ask()
    room.vendor.away = False
    assert await room.ask("gitlab", "tests", "shop", "c1") == "green"
    with pytest.raises(IntegrationError, match="no answer"):
        await room.ask()


async def test_what_stays_the_same_is_asked_ever_more_rarely(room: Room) -> None:
    assert await room.asked_within(60 * MINUTE) <= 12
    assert await room.asked_within(60 * MINUTE) <= 4


@pytest.mark.case("reliability-4")
async def test_tests_that_run_are_asked_about_within_seconds_at_first_and_every_half_minute_later(
    room: Room,
) -> None:
    assert await room.asked_within(15 * SECOND, is_settled=False) == 3
    await room.asked_within(30 * MINUTE, is_settled=False)
    assert await room.asked_within(10 * MINUTE, is_settled=False) == 20


@pytest.mark.case("reliability-4")
async def test_the_end_of_a_run_of_ours_has_its_commits_tests_asked_for_anew() -> None:
    ci, clock = ToldCI(), VirtualClock()
    answers = SharedAnswers(clock)
    it = shared(Providers(ci, cast("Any", None), cast("Any", None)), SHOP, answers, clock, {}).ci
    assert (await it.quality(COMMITS["v2"])).state is QualityState.GREEN
    run = await it.start(StartRequest("shop-2:deploy:1", COMMITS["v2"], "production", "deploy"))
    ci.quality_state, ci.ends["deploy"] = QualityState.RED, RunState.RUNNING
    await it.look(run.id)
    assert (await it.quality(COMMITS["v2"])).state is QualityState.GREEN, (
        "what was said counts while the run goes"
    )
    ci.ends["deploy"] = RunState.FAILED
    await it.look(run.id)
    assert (await it.quality(COMMITS["v2"])).state is QualityState.RED


@dataclass
class Compared(ToldCI):
    """A CI that notes what it was asked to compare."""

    pairs: list[tuple[str, str]] = field(default_factory=list)

    async def compare(self, base: str, head: str) -> Changes:
        self.pairs.append((base, head))
        return await super().compare(base, head)


@pytest.mark.case("reliability-4")
@pytest.mark.parametrize(
    ("known", "head", "times"), [(True, "b" * 40, 1), (False, "b" * 40, 2), (True, "main", 2)]
)
async def test_what_lies_between_two_commits_is_asked_for_once_and_a_name_or_no_answer_each_time(
    head: str, times: int, *, known: bool
) -> None:
    ci, clock = Compared(changes=Changes(known=known)), VirtualClock()
    it = shared(
        Providers(ci, cast("Any", None), cast("Any", None)), SHOP, SharedAnswers(clock), clock, {}
    ).ci
    assert await it.compare("a" * 40, head) == await it.compare("a" * 40, head)
    assert len(ci.pairs) == times


@pytest.mark.case("reliability-4")
async def test_what_was_forgotten_is_asked_at_once(room: Room) -> None:
    await room.asked_within(10 * MINUTE)
    room.vendor.says, before = "red", room.vendor.asked
    room.answers.forget("c1")
    assert await room.ask() == "red"
    assert room.vendor.asked == before + 1
    assert await room.asked_within(MINUTE) > 1, "it may change again"


async def test_an_answer_that_was_under_way_when_it_was_forgotten_counts_for_nobody_else(
    room: Room,
) -> None:
    room.vendor.open.clear()
    first = asyncio.create_task(room.ask())
    await asyncio.sleep(0)
    room.answers.forget("c1")
    second = asyncio.create_task(room.ask())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert room.vendor.asked == 2
    room.vendor.open.set()
    await asyncio.gather(first, second)
    await room.ask()
    assert room.vendor.asked == 2


@pytest.mark.case("reliability-4")
async def test_whatever_acts_asks_past_what_is_remembered(room: Room) -> None:
    await room.ask()
    room.vendor.says = "red"
    assert await room.ask() == "green"
    with afresh():
        assert await room.ask() == "red"


@pytest.mark.case("reliability-4")
async def test_whoever_was_never_asked_for_gets_a_turn_and_is_told_when_it_is(room: Room) -> None:
    for number in range(A_MINUTE):
        await room.ask("github", f"c{number}")
    turns = []
    for number in range(3):
        with pytest.raises(NotAskedYet, match="each is asked for in turn") as refused:
            await room.ask("github", f"late {number}", requests=3)
        turns.append(refused.value.until - room.clock.now())
    assert turns == [3 * SECOND, 6 * SECOND, 9 * SECOND]
    assert await room.ask("gitlab", "another vendor's") == "green"
    room.clock.advance(6 * SECOND)
    assert await room.ask("github", "late 1", requests=3) == "green"
    with pytest.raises(NotAskedYet):
        await room.ask("github", "late 2", requests=3)


@pytest.mark.case("reliability-4")
async def test_what_was_never_asked_goes_before_what_is_only_old(room: Room) -> None:
    await room.ask()
    room.clock.advance(MINUTE)
    for number in range(A_MINUTE):
        await room.ask("github", f"c{number}")
    room.vendor.says = "red"
    assert await room.ask() == "green", "the older answer"
    assert (await room.answers.ask(C1, room.vendor.answer)).as_of(room.clock.now()) is None, (
        "it is no older than a minute"
    )
    room.clock.advance(20 * SECOND)
    told = await room.answers.ask(C1, room.vendor.answer)
    assert (told.value, told.as_of(room.clock.now())) == ("green", room.clock.now() - 80 * SECOND)
    room.clock.advance(SECOND)
    assert await room.ask() == "red"


@pytest.mark.case("reliability-4")
async def test_what_costs_no_vendor_anything_is_always_asked_and_uses_nothing_up(
    room: Room,
) -> None:
    for _ in range(1000):
        await room.ask("local", "tests", requests=0)
    assert room.vendor.asked == 1000
    assert await room.ask("local", "freezes") == "green"


def test_what_is_built_in_costs_nothing_and_vendors_say_what_they_cost() -> None:
    kinds = known_kinds()
    assert all(
        kind.costs.get(Question.SHIFT) == 0
        for kind in kinds.on_call.values()
        if kind.name in {"rota", "none"}
    )
    assert kinds.ci["local"].costs == {Question.TESTS: 0, Question.FREEZES: 0}
    assert {
        name
        for name in ("local", "github", "gitlab", "jenkins", "buildbot")
        if kinds.ci[name].costs.get(Question.FREEZES) != 0
    } == {"gitlab"}


async def test_a_mistake_of_a_provider_is_nothing_to_remember(room: Room) -> None:
    async def broken() -> str:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        await room.answers.ask(C1, broken)
    assert await room.ask() == "green"


async def test_closing_lets_go_of_the_questions_that_are_under_way(room: Room) -> None:
    room.vendor.open.clear()
    waiting = asyncio.create_task(room.ask())
    await asyncio.sleep(0)
    await room.answers.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# With a team ------------------------------------------------------------------------------------


def with_shared_answers(team: Team) -> SharedAnswers:
    """Have a team's questions shared, as the bot does."""
    context = team.context
    answers = SharedAnswers(context.clock)
    told = Providers(team.ci, team.numbers, team.rota)
    object.__setattr__(
        context,
        "providers",
        {"shop": shared(told, SHOP, answers, context.clock, {Question.SHIFT: 0})},
    )
    return answers


async def waits(team: Team, state: QualityState) -> SharedAnswers:
    """Have v2 wait in production for its tests, for an hour."""
    answers = with_shared_answers(team)
    v2 = await team.asks_for_v2()
    team.ci.quality_state = state
    answers.forget(COMMITS["v2"])
    await team.passes(60 * MINUTE)
    assert (await team.deployment(v2)).state is State.GATED
    assert await said_of_tests(team) != "green"
    return answers


async def said_of_tests(team: Team) -> str:
    return next(
        str(gate.state) for gate in (await team.card("shop-2")).review.gates if gate.key == "tests"
    )


@pytest.mark.case("reliability-4")
async def test_a_notice_about_a_commit_wakes_whoever_waits_with_it(team: Team) -> None:
    answers = await waits(team, QualityState.RED)
    team.ci.quality_state = QualityState.GREEN
    hint = RunHint("4711", commit=COMMITS["v2"])
    assert not await webhooks.wake(
        team.context.store, team.context.catalog, hint, provider="gitlab", forget=answers.forget
    )
    assert await webhooks.wake(
        team.context.store, team.context.catalog, hint, provider="scripted", forget=answers.forget
    )
    await team.passes()
    assert await said_of_tests(team) == "green"
    nobodys = replace(hint, commit=COMMITS["v3"])
    assert not await webhooks.wake(
        team.context.store,
        team.context.catalog,
        nobodys,
        provider="scripted",
        forget=answers.forget,
    )


async def test_what_one_hears_anew_of_a_commits_tests_is_told_to_all_that_wait_with_it() -> None:
    told: list[str] = []
    clock, vendor = VirtualClock(), Vendor()
    answers = SharedAnswers(clock, told.append)
    for says in ("running", "running", "green", "green"):
        vendor.says = says
        await answers.ask(C1, vendor.answer, is_settled=lambda _: False)
        clock.advance(20 * SECOND)
    assert told == ["c1"]
    vendor.says = "a shift"
    for _ in range(2):
        await answers.ask(("rota", "shift", "shop", ""), vendor.answer, is_settled=lambda _: False)
        vendor.says = "another"
        clock.advance(20 * SECOND)
    assert told == ["c1"]


async def test_two_cards_of_one_commit_do_not_contradict_each_other(team: Team) -> None:
    answers = with_shared_answers(team)
    woken: list[str] = []
    answers.on_tests_changed = woken.append
    v2 = await team.asks_for_v2()
    team.ci.quality_state = QualityState.RUNNING
    answers.forget(COMMITS["v2"])
    await team.passes(20 * MINUTE)
    team.ci.quality_state = QualityState.GREEN
    woken.clear()
    team.engine.clock.advance(45 * SECOND)  # within the minute's requests
    await team.says("ana", Check("shop", "production", "v2"))  # somebody else hears it first
    assert woken == [COMMITS["v2"]]
    await webhooks.wake(team.context.store, team.context.catalog, RunHint("", commit=COMMITS["v2"]))
    await team.passes()
    assert await said_of_tests(team) == "green", v2


@pytest.mark.case("reliability-4")
async def test_tests_that_end_without_a_notice_are_seen_within_half_a_minute(team: Team) -> None:
    await waits(team, QualityState.RUNNING)
    team.ci.quality_state = QualityState.GREEN
    await team.passes(31 * SECOND)
    assert await said_of_tests(team) == "green"


@pytest.mark.case("reliability-4")
async def test_tests_that_somebody_asked_for_again_are_looked_at_at_once(team: Team) -> None:
    await waits(team, QualityState.RED)
    await team.says("ana", Retest("shop-2"))
    team.ci.quality_state = QualityState.GREEN
    await team.passes()
    assert await said_of_tests(team) == "green"


@pytest.mark.case("reliability-4")
async def test_a_vendor_that_comes_back_is_seen_within_a_minute(team: Team) -> None:
    with_shared_answers(team)
    await team.asks_for_v2()
    team.ci.away = True
    await team.passes(60 * MINUTE)
    assert await said_of_tests(team) == "unknown"
    team.ci.away = False
    await team.passes(MINUTE)
    assert await said_of_tests(team) == "green"


@pytest.mark.case("reliability-4")
async def test_asking_again_and_hearing_the_same_changes_no_card(team: Team) -> None:
    answers = await waits(team, QualityState.RED)
    first = await stored(team)
    answers.forget(COMMITS["v2"])
    await team.passes(60 * MINUTE)
    assert await stored(team) == first


async def stored(team: Team) -> datetime | None:
    async with team.database.store.reading() as reader:
        review = await reader.review("shop-2")
    return review.at if review else None


async def test_a_gate_says_as_of_when_its_answer_is(team: Team) -> None:
    v2 = await team.asks_for_v2()
    quality = Quality(QualityState.RED, "3 of 212 tests failed", as_of=team.context.now())
    told = Providers(cast("CIProvider", Saying(team.ci, quality)), team.numbers, team.rota)
    object.__setattr__(team.context, "providers", {"shop": told})
    await team.passes(20 * MINUTE)
    assert "3 of 212 tests failed (as of" in await team.shown(v2)
    assert "(as of" not in await team.shown("shop-1")


class Saying:
    """A CI that says one thing of every commit."""

    def __init__(self, ci: object, quality: Quality) -> None:
        self._ci, self._quality = ci, quality

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ci, name)

    async def quality(self, _commit: str) -> Quality:
        return self._quality
