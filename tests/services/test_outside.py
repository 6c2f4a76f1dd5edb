"""Nobody outside is asked while the store is being read or written; a question that
hangs holds no connection.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.services.outside import AskedInsideAViewError

Team = Any


@pytest.mark.case("races-7")
async def test_no_provider_is_asked_inside_a_view(team: Team) -> None:
    ci = team.context.providers["shop"].ci
    assert await ci.resolve("v2")
    async with team.context.store.reading():
        with pytest.raises(AskedInsideAViewError, match="resolve"):
            await ci.resolve("v2")
    async with team.context.store.transaction():
        with pytest.raises(AskedInsideAViewError):
            await team.context.providers["shop"].on_call.who(
                team.context.service("shop"), team.context.now()
            )
    assert await ci.resolve("v2")
