"""A version that adds a migration, over the real HTTP stack and a real repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conversations.conftest import git

if TYPE_CHECKING:
    from tests.conversations.conftest import World

ANA, BO, CY, DI = "U0ANA", "U0BO", "U0CY", "U0DI"


def adds_a_migration(world: World, version: str) -> None:
    (world.repository / "migrations").mkdir()
    (world.repository / "migrations" / "7.sql").write_text(
        "alter table basket add column note text;"
    )
    git(world.repository, "add", "--all")
    world.commit(version)


async def test_it_goes_to_production_once_a_release_manager_says_how_one_goes_back_and_no_button_does(
    world: World,
) -> None:
    await world.deploy("v1.2.0", "staging")
    await world.deploy("v1.2.0", "production")
    adds_a_migration(world, "v1.5.0")
    await world.deploy("v1.5.0", "staging")
    await world.says(ANA, "/deploy storefront v1.5.0 to production")
    card = await world.card("storefront v1.5.0 → production", "not ready")
    assert "way back over migrations" in str(card["blocks"])
    await world.clicks(ANA, card, "confirm_plan")
    await world.reply(
        ANA,
        (
            "You cannot confirm how one goes back from storefront v1.5.0 → production. People with "
            "the role release manager"
        ),
    )
    await world.clicks(CY, card, "confirm_plan")
    await world.slack.until(
        lambda: [view for view in world.slack.state.views.values() if view["_user"] == CY]
    )
    await world.slack.submits(
        CY, "gonogo.confirm_plan_form", {"gonogo.field.reason": "v1.2.0 ignores the column"}
    )
    await world.clear("v1.5.0")
    card = await world.card("storefront v1.5.0 → production", "live and healthy")
    assert "No rollback by button" in str(card["blocks"])
    assert "roll_back" not in str(card["blocks"])
