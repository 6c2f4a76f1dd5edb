"""The process dies at every write of a runbook, in virtual time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.engine.released import Registry
from bot.engine.simulated import Crash, MemoryJournal, SimulatedEngine, VirtualClock
from bot.ports.engine import Later, Run

DAY = timedelta(days=1)


class World:
    """A deployment that waits a day for approval, and a CI that finds what it has started."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.journal = MemoryJournal()
        self.registry = Registry()
        self.registry.add("deploy", 1, self.deploy)
        self.engine = SimulatedEngine(self.journal, self.registry, self.clock)
        self.started: list[str] = []
        self.asked: list[str] = []
        self.approved = False

    async def find_or_start(self, key: str) -> str:
        """Start under a key, once."""
        self.asked.append(key)
        if key not in self.started:
            self.started.append(key)
        return key

    async def finished(self, key: str) -> str | None:
        """Look at what was started."""
        return "green" if key in self.started else None

    async def a_day_on(self) -> datetime:
        """Say until when approval may come."""
        return self.clock.now() + DAY

    async def is_approved(self, deadline: datetime) -> bool | Later:
        """Look whether somebody has approved, or nobody will any more."""
        left = deadline - self.clock.now()
        return self.approved if self.approved or left <= timedelta(0) else Later(left)

    async def deploy(self, run: Run) -> str:
        """Play a deployment."""
        deadline = await run.step("until when", self.a_day_on)
        if not await run.until("approved", self.is_approved, deadline, every=DAY):
            return await run.step("expire", self.find_or_start, "expired")
        build = await run.step("start", self.find_or_start, "canary-5")
        await run.until("finished", self.finished, build, every=timedelta(seconds=5))
        return await run.step("land", self.find_or_start, "landed")

    async def play(self, *, approved: bool) -> None:
        """Play to the end, over a crash if there is one."""
        await self.engine.start("deploy", "shop-1")
        self.approved = approved
        for _ in range(2):
            try:
                await self.engine.run_until_idle()
            except Crash:
                continue


async def writes(*, approved: bool) -> int:
    world = World()
    await world.play(approved=approved)
    return world.engine.writes


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("approved", [True, False])
async def test_a_crash_at_any_write_changes_nothing_about_the_end(
    moment: str, *, approved: bool
) -> None:
    points = await writes(approved=approved)
    assert points == (5 if approved else 3)
    for point in range(1, points + 1):
        world = World()
        setattr(world.engine, f"crash_{moment}", point)
        await world.play(approved=approved)
        assert world.journal.rows["shop-1"].result == ("landed" if approved else "expired")
        assert world.started == (["canary-5", "landed"] if approved else ["expired"])
        assert len(world.asked) <= len(world.started) + 1


async def test_a_day_of_waiting_takes_no_time_and_ends_on_time() -> None:
    world = World()
    begin = world.clock.now()
    await world.play(approved=False)
    assert world.clock.now() - begin == DAY
