"""What providers say is asked once for all that wait, ever more rarely, within a budget, and afresh by whatever acts."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.domain.errors import IntegrationError
from bot.engine.simulated import VirtualClock
from bot.services.shared import A_MINUTE, SharedAnswers, afresh

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Vendor:
    """Counts its questions."""

    def __init__(self) -> None:
        self.asked = 0
        self.says = "green"
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self) -> str:
        self.asked += 1
        await self.open.wait()
        return self.says


@pytest.mark.case("reliability-4")
async def test_a_thousand_that_wait_ask_once() -> None:
    answers, vendor = SharedAnswers(VirtualClock()), Vendor()
    vendor.open.clear()
    waiting = [asyncio.create_task(answers.ask("github", ("quality", "c1"), vendor.answer)) for _ in range(1000)]
    await asyncio.sleep(0)
    vendor.open.set()
    assert set(await asyncio.gather(*waiting)) == {"green"}
    assert await answers.ask("github", ("quality", "c1"), vendor.answer) == "green"
    assert vendor.asked == 1


@pytest.mark.case("reliability-4")
async def test_what_stays_the_same_is_asked_ever_more_rarely() -> None:
    clock, vendor = VirtualClock(), Vendor()
    answers = SharedAnswers(clock)
    hours: list[int] = []
    for _ in range(2):
        before = vendor.asked
        for _ in range(240):
            await answers.ask("github", ("quality", "c1"), vendor.answer)
            clock.advance(15 * SECOND)
        hours.append(vendor.asked - before)
    assert hours[0] <= 12
    assert hours[1] <= 4


@pytest.mark.case("reliability-4")
async def test_a_notice_has_it_asked_at_once() -> None:
    clock, vendor = VirtualClock(), Vendor()
    answers = SharedAnswers(clock)
    for _ in range(10):
        await answers.ask("github", ("quality", "shop", "c1"), vendor.answer)
        clock.advance(MINUTE)
    vendor.says, before = "red", vendor.asked
    answers.forget("c1")
    assert await answers.ask("github", ("quality", "shop", "c1"), vendor.answer) == "red"
    assert vendor.asked == before + 1


@pytest.mark.case("reliability-4")
async def test_whatever_acts_asks_past_what_is_remembered() -> None:
    answers, vendor = SharedAnswers(VirtualClock()), Vendor()
    await answers.ask("github", ("quality", "c1"), vendor.answer)
    vendor.says = "red"
    assert await answers.ask("github", ("quality", "c1"), vendor.answer) == "green"
    with afresh():
        assert await answers.ask("github", ("quality", "c1"), vendor.answer) == "red"


@pytest.mark.case("reliability-4")
async def test_a_provider_is_asked_no_more_than_its_budget_and_the_older_answer_is_given() -> None:
    clock, vendor = VirtualClock(), Vendor()
    answers = SharedAnswers(clock)
    for number in range(int(A_MINUTE)):
        await answers.ask("github", ("quality", f"c{number}"), vendor.answer)
    with pytest.raises(IntegrationError, match="not asked yet"):
        await answers.ask("github", ("quality", "one more"), vendor.answer)
    assert await answers.ask("gitlab", ("quality", "another vendor's"), vendor.answer) == "green"
    clock.advance(MINUTE)
    assert await answers.ask("github", ("quality", "one more"), vendor.answer) == "green"


async def test_a_refusal_is_not_remembered() -> None:
    answers, vendor = SharedAnswers(VirtualClock()), Vendor()

    async def away() -> str:
        raise IntegrationError("no answer", vendor="GitHub")

    with pytest.raises(IntegrationError):
        await answers.ask("github", ("quality", "c1"), away)
    assert await answers.ask("github", ("quality", "c1"), vendor.answer) == "green"
