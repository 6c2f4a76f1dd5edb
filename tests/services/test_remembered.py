"""Nothing that providers said is remembered without end."""

from __future__ import annotations

from typing import Any, cast

from bot.engine.simulated import VirtualClock
from bot.ports.ci import StartRequest
from bot.ports.providers import Providers
from bot.services.shared import MOST_REMEMBERED, SharedAnswers
from bot.services.shared_providers import MOST_RUNS, shared
from tests.services.conftest import SHOP, ToldCI
from tests.services.test_shared import C1, Room


async def test_no_more_is_remembered_than_a_bot_has_room_for() -> None:
    room = Room()
    told = await room.answers.ask(C1, room.vendor.answer)
    room.answers._told.update(
        {("github", "tests", "shop", str(number)): told for number in range(MOST_REMEMBERED - 1)}
    )
    await room.ask()
    assert (room.vendor.asked, len(room.answers._told)) == (1, MOST_REMEMBERED)
    await room.ask("github", "tests", "shop", "c2")
    assert len(room.answers._told) == 1
    await room.ask()
    assert room.vendor.asked == 3


async def test_of_the_runs_that_nobody_has_seen_to_end_the_newest_thousand_are_remembered() -> None:
    ci, clock = ToldCI(), VirtualClock()
    answers = Forgetting(clock)
    it = shared(Providers(ci, cast("Any", None), cast("Any", None)), SHOP, answers, clock, {}).ci
    for number in range(MOST_RUNS + 1):
        await it.start(StartRequest(f"shop-{number}:deploy:1", str(number), "production", "deploy"))
    assert answers.forgotten == [], "a start of ours tells nothing new of a commit's tests"
    for number in (0, 1, MOST_RUNS):
        await it.look(f"shop-{number}:deploy")
    assert answers.forgotten == ["1", str(MOST_RUNS)]


class Forgetting(SharedAnswers):
    """Notes what it is to ask anew."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.forgotten: list[str] = []

    def forget(self, *words: str) -> None:
        self.forgotten += words
