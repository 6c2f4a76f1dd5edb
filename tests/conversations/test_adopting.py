"""The terminal's own door to what is live obeys the rules of the others."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bot.adopting import adopt
from bot.domain.deployment import Kind
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.people import Person
from bot.ports.store import NewDeployment
from bot.storage.database import open_database
from tests.conversations.conftest import build_world, git

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.case("races-4")
async def test_what_is_quarantined_is_not_adopted_as_good(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = await build_world(stack, tmp_path)
        database = await open_database(world.settings.gonogo_database_url)
        async with database.store.transaction() as tx:
            by = Person("T1", "UCY")
            await tx.put_in_quarantine(
                "storefront",
                world.commits["v1.1.0"],
                reason="it forgets carts",
                by=by,
                at=datetime.now(UTC),
            )
        await database.close()
        said = await adopt(
            world.settings, service="storefront", ref="v1.1.0", environment="staging"
        )
        assert said == (
            "storefront v1.1.0 is quarantined (it forgets carts), so it is not recorded as "
            "good; nothing was changed."
        )
        said = await adopt(
            world.settings, service="storefront", ref="v1.0.0", environment="staging"
        )
        assert said.endswith(
            "is recorded as live in staging, on your word: nothing has verified it."
        )


@pytest.mark.case("adoption-2")
async def test_the_tag_of_another_services_version_is_not_adopted(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = await build_world(stack, tmp_path)
        config = world.settings.gonogo_config
        head, services, rotas = re.split(
            r"(?<=^services:\n)|^(?=rotas:)", config.read_text(), flags=re.MULTILINE
        )
        config.write_text(f"{head}{services}{services.replace('storefront:', 'search:', 1)}{rotas}")
        git(world.repository, "tag", "search-v0.2.0", "v1.1.0")
        with pytest.raises(
            IntegrationError,
            match=r'^The tag "search-v0\.2\.0" is a version of search, not of storefront\.',
        ):
            await adopt(
                world.settings, service="storefront", ref="search-v0.2.0", environment="staging"
            )
        said = await adopt(
            world.settings, service="storefront", ref=world.commits["v1.1.0"], environment="staging"
        )
        assert said.startswith("storefront v1.1.0 (")
        said = await adopt(
            world.settings, service="search", ref="search-v0.2.0", environment="staging"
        )
        assert said.startswith("search search-v0.2.0 (")


async def test_a_misspelt_service_or_environment_gets_the_nearest(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = await build_world(stack, tmp_path)
        with pytest.raises(
            ConfigurationError, match=r'has no service "storefrnt"\. Did you mean storefront\?'
        ):
            await adopt(world.settings, service="storefrnt", ref="v1.1.0", environment="staging")
        with pytest.raises(
            ConfigurationError,
            match=r'storefront has no environment "stagin"\. Did you mean staging\?',
        ):
            await adopt(world.settings, service="storefront", ref="v1.1.0", environment="stagin")


async def test_what_was_adopted_can_be_gone_back_to_and_is_never_called_verified(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        world = await build_world(stack, tmp_path)
        await adopt(world.settings, service="storefront", ref="v1.0.0", environment="production")
        database = await open_database(world.settings.gonogo_database_url)
        stack.push_async_callback(database.close)
        async with database.store.reading() as reader:
            (release,) = await reader.releases("storefront", "production")
        assert (release.version, release.verified_at, release.accepted) == (
            "v1.0.0",
            None,
            "on an operator's word",
        )


async def test_where_go_no_go_has_begun_something_nothing_is_adopted(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = await build_world(stack, tmp_path)
        database = await open_database(world.settings.gonogo_database_url)
        by, now = Person("T1", "UANA"), datetime.now(UTC)
        wanted = NewDeployment(
            kind=Kind.FORWARD, service="storefront", environment="staging",
            ref="v1.1.0", strategy="rolling", requested_by=by, at=now,
            version="v1.1.0",
        )  # fmt: skip
        async with database.store.transaction() as tx:
            begun = await tx.add_deployment(wanted)
            await tx.set_started(begun.id, now)
        await database.close()
        said = await adopt(
            world.settings, service="storefront", ref="v1.0.0", environment="staging"
        )
        assert said.startswith(
            "storefront v1.1.0 → staging (storefront-1) was begun by Go/No-Go, so what "
            "is there is not adopted: "
        )
        assert said.endswith(
            "/deploy live storefront staging is REF because TEXT; nothing was changed."
        )
