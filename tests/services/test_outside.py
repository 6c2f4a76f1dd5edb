"""Nobody outside is asked while the store is being read or written; a question that hangs holds no connection."""

from __future__ import annotations

from typing import Any

import pytest

from bot.services.outside import AskedInsideAViewError

Team = Any


@pytest.mark.case("races-7")
async def test_no_provider_is_asked_inside_a_view(team: Team) -> None:
    ci = team.house.providers["shop"].ci
    assert await ci.resolve("v2")
    async with team.house.store.reading():
        with pytest.raises(AskedInsideAViewError, match="resolve"):
            await ci.resolve("v2")
    async with team.house.store.transaction():
        with pytest.raises(AskedInsideAViewError):
            await team.house.providers["shop"].on_call.who(team.house.service("shop"), team.house.now())
    assert await ci.resolve("v2")
