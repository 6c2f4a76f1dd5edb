"""Notices from each CI provider, with polling every sixty seconds: they
wake, and decide nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.adopting import adopt
from bot.domain.deployment import State
from bot.domain.rollout import Step, StepState
from bot.ports.engine import RunRecord
from bot.settings import Settings
from tests.conversations.conftest import ANA, World, build_world, environment_of
from tests.conversations.webhooks import LONG_AGO, Notice, Sender, sender_of

POLL = timedelta(seconds=60)
AT_ONCE = 45.0
"""Seconds in which a look that was asked for must have begun; by itself
it would come after sixty.
"""
DEPLOYMENT = "storefront-1"


@dataclass
class Listening:
    """A deployment that waits for a held run, and whoever sends notices about it."""

    world: World
    sender: Sender
    session: aiohttp.ClientSession
    name: str

    async def tell(self, notice: Notice) -> int:
        assert self.world.bot is not None
        headers, body = notice
        async with self.session.post(
            f"{self.world.bot.url}/webhooks/ci/{self.name}", data=body, headers=headers
        ) as response:
            return response.status

    async def stored(self) -> tuple[State, Step, RunRecord]:
        assert self.world.bot is not None
        database = self.world.bot.database
        async with database.store.reading() as reader:
            deployment, steps = await reader.deployment(DEPLOYMENT), await reader.steps(DEPLOYMENT)
        record = await database.journal.get(DEPLOYMENT)
        assert deployment is not None
        assert record is not None
        return deployment.state, steps[0], record

    async def begins(self) -> None:
        """Wait until the run has begun; the gates are looked at more
        often than the setting says.
        """
        assert self.world.bot is not None
        async with asyncio.timeout(AT_ONCE):
            while not self.world.started():
                async with self.world.bot.database.store.transaction() as tx:
                    await tx.wake(DEPLOYMENT)
                await asyncio.sleep(0.2)

    async def wakes(self) -> int:
        return (await self.stored())[2].wakes

    async def rests(self) -> None:
        """Wait until the runbook has looked and parked."""
        async with asyncio.timeout(AT_ONCE):
            while not await self._is_parked():  # noqa: ASYNC110 - the condition is in a database
                await asyncio.sleep(0.05)

    async def _is_parked(self) -> bool:
        state, step, record = await self.stored()
        rolls = state is State.ROLLING_OUT and step.state is StepState.RUNNING and bool(step.run)
        return (
            rolls and record.wake_at is not None and record.wake_at > datetime.now(UTC) + POLL / 4
        )

    async def looks(self, calls: int) -> None:
        """Wait until the vendor was asked more often than that."""
        async with asyncio.timeout(AT_ONCE):
            while len(self.sender.calls()) <= calls:  # noqa: ASYNC110 - another task asks
                await asyncio.sleep(0.02)
        await self.rests()


@pytest.fixture(params=["github", "gitlab", "jenkins"])
async def listening(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Listening]:
    """Start a deployment whose run stays under way, with a bot that looks every minute."""
    async with AsyncExitStack() as stack:
        world = await build_world(stack, tmp_path, request.param)
        sender = sender_of(world.vendor)
        secrets = {**world.vendor.secrets, **sender.secrets}
        environment = {
            **environment_of(world.slack, tmp_path),
            "GONOGO_POLL_SECONDS": str(POLL.seconds),
            **secrets,
        }
        world.settings = Settings.read(environment, secrets=secrets)
        await adopt(world.settings, service="storefront", ref="v1.1.0", environment="staging")
        sender.hold(world.commits["v1.2.0"])
        await world.start_bot()
        stack.push_async_callback(world.stop_bot)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await world.says(ANA, "/deploy storefront v1.2.0 to staging")
        found = Listening(world, sender, session, request.param)
        await found.begins()
        await found.rests()
        yield found


async def test_a_notice_is_looked_into_at_once_and_not_believed_however_often_it_comes(
    listening: Listening,
) -> None:
    run = listening.sender.run()
    for state in ("success", "success", "failed", "created"):
        # told twice, then against what was told before, then out of order
        calls, before = len(listening.sender.calls()), await listening.wakes()
        assert await listening.tell(listening.sender.notice(run, state)) == 202
        assert await listening.wakes() == before + 1
        await listening.looks(calls)
        state_now, step, _ = await listening.stored()
        assert (state_now, step.state, len(listening.world.started())) == (
            State.ROLLING_OUT,
            StepState.RUNNING,
            1,
        )


async def test_a_doubled_notice_starts_nothing_and_says_nothing_twice(listening: Listening) -> None:
    notice = listening.sender.notice(listening.sender.run(), "success")
    calls = len(listening.sender.calls())
    assert await asyncio.gather(*(listening.tell(notice) for _ in range(5))) == [202] * 5
    await listening.looks(calls)
    assert len(listening.world.started()) == 1
    said = [
        message["text"] for message in listening.world.slack.state.channels["C0DEPLOYS"].messages
    ]
    assert len(said) == len(set(said))


async def test_what_is_forged_old_unknown_or_lost_wakes_nobody(listening: Listening) -> None:
    sender, run, (_, step, before) = (
        listening.sender,
        listening.sender.run(),
        await listening.stored(),
    )
    headers, body = sender.notice(run, "success")
    assert await listening.tell((headers, body + b" ")) == 401
    assert await listening.tell(({}, body)) == 401
    assert await listening.tell(sender.notice(run, "success", secret="another secret")) == 401
    if sender.has_time:
        assert (
            await listening.tell(sender.notice(run, "success", at=datetime.now(UTC) - LONG_AGO))
            == 401
        )
    assert await listening.tell(sender.notice("999999999", "success")) == 202, (
        "another repository's run is no mistake of the sender's"
    )
    _, step_now, record = await listening.stored()
    assert (step_now, record) == (step, before)
    assert record.wake_at is not None
    assert record.wake_at <= datetime.now(UTC) + POLL, "a lost notice costs the polling time"
