"""What goes was asked afresh, whenever the last thing that kept it has gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticGate, ChecklistItem, GateKind
from bot.domain.commands import Deploy, Tick
from bot.domain.deployment import State
from bot.domain.quality import QualityState
from bot.services import clearance
from bot.services.shared import SharedAnswers
from bot.services.shared_providers import shared

Team = Any
"""A team, as ``team_with`` gives it."""
MINUTE = timedelta(minutes=1)
OPEN: dict[str, Any] = {
    "gates": (AutomaticGate(GateKind.TESTS),),
    "checklist": (ChecklistItem("support", "support briefed", "support"),), "approvals": (),
    "after": "", "strategy": "rolling",
}  # fmt: skip


@dataclass
class Meanwhile:
    """A store in which something happens right before the next transaction."""

    store: Any
    happens: Callable[[], Awaitable[object]] | None

    def reading(self) -> Any:
        return self.store.reading()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        happens, self.happens = self.happens, None
        if happens is not None:
            await happens()
        async with self.store.transaction() as tx:
            yield tx


@pytest.mark.parametrize(("tests", "goes"), [(QualityState.RED, False), (QualityState.GREEN, True)])
async def test_what_goes_when_the_last_tick_comes_late_goes_by_answers_of_this_moment(
    team_with: Callable[..., Any], tests: QualityState, *, goes: bool
) -> None:
    async with team_with(**OPEN) as team:
        shop = team.context.catalog.services["shop"]
        answers = SharedAnswers(team.context.clock)
        team.context.providers["shop"] = shared(
            team.context.providers["shop"], shop, answers, team.context.clock, {}
        )
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(60 * MINUTE)
        team.ci.quality_state = tests
        async with team.database.store.transaction() as tx:
            # so that it has something to write
            await tx.save_review("shop-1", replace(await tx.review("shop-1"), gates=()))

        async def ticks() -> None:
            await team.says("cy", Tick("shop-1", ("support",)))

        await clearance.cleared(
            replace(team.context, store=Meanwhile(team.database.store, ticks)), "shop-1"
        )
        assert (await team.deployment("shop-1")).state is (
            State.ROLLING_OUT if goes else State.GATED
        )
        (gate,) = [gate for gate in (await team.card("shop-1")).review.gates if gate.key == "tests"]
        assert str(gate.state) == ("green" if goes else "open")
