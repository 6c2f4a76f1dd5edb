"""A version that has to be live in the environment before: nobody is sent there where a migration
keeps it out; what does is said.
"""

from __future__ import annotations

import pytest

from bot.domain.actions import Action
from bot.domain.changes import Changes
from bot.domain.commands import Check, Deploy
from bot.domain.live import Live
from tests.services.conftest import COMMITS, PEOPLE, Team


async def _staging_has_v3(team: Team, *, migrates: bool) -> None:
    team.ci.changes = Changes(total=1, files=("migrations/7.sql" if migrates else "basket.py",))
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live(
                "shop",
                "staging",
                COMMITS["v3"],
                "v3",
                team.context.now(),
                "",
                PEOPLE["ana"],
                team.context.now(),
            )
        )


@pytest.mark.parametrize("migrates", [True, False])
async def test_nobody_is_sent_to_an_environment_before_that_a_migration_keeps_the_version_out_of(
    team: Team, migrates: bool
) -> None:
    await _staging_has_v3(team, migrates=migrates)
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    why = (
        "v2 is not live on staging: v3 is live there, and it cannot be brought there: v3 has "
        "migrations/7.sql, which v2 has not"
    )
    assert (Action.DEPLOY_FIRST in (await team.card("shop-1")).actions) is not migrates
    assert (why in await team.shown("shop-1")) is migrates
    assert (why in await team.says("ana", Check("shop", "production", "v2"))) is migrates
