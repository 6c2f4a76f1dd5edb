"""In a repository that several services share, a tag belongs to the service in whose way it is
written: one rule at every door.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import ProviderChoice
from bot.domain.commands import Check, Command, Deploy, Quarantine, SayLive, Unquarantine
from bot.domain.deployment import State
from bot.ports.ci import RefKind, Resolved
from tests.services.conftest import SHOP

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
OURS = ProviderChoice("scripted", repository=("acme/all",))
REFUSED = (
    'The tag "search-v0.2.0" is a version of search, not of shop. Name a version of shop, a '
    "branch, or the commit, bbbbbbbbbb."
)


def shares(team: Team, other: ProviderChoice = OURS) -> None:
    """Have shop share its repository with search, and v2 be a tag of search's."""
    services = team.context.catalog.services
    services["shop"] = replace(services["shop"], ci=OURS)
    services["search"] = replace(SHOP, name="search", ci=other, tags="search-v*")
    team.ci.means = Resolved("", "", RefKind.TAG, "search-v0.2.0")


@pytest.mark.case("adoption-2")
@pytest.mark.parametrize(
    "command",
    [
        Deploy("shop", "staging", "v2"), Check("shop", "production", "v2"),
        SayLive("shop", "production", "v2", "I looked"),
        Quarantine("shop", "v2", "it forgets carts"), Unquarantine("shop", "v2", "it was search's"),
    ],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
async def test_every_door_refuses_the_tag_of_another_services_version_and_names_that_service(
    team: Team, command: Command
) -> None:
    shares(team)
    assert await team.says("bo", command) == REFUSED
    async with team.database.store.reading() as reader:
        assert await reader.deployment("shop-1") is None


@pytest.mark.case("adoption-2")
async def test_a_tag_that_could_not_be_looked_up_at_once_ends_the_request_with_that_sentence(
    team: Team,
) -> None:
    shares(team)
    team.ci.away = True
    await team.says("ana", Deploy("shop", "staging", "v2"))
    team.ci.away = False
    await team.passes(MINUTE)
    asked = await team.deployment("shop-1")
    assert (asked.state, asked.note) == (State.IMPOSSIBLE, REFUSED)


@pytest.mark.case("adoption-2")
@pytest.mark.parametrize(
    "means",
    [
        Resolved("", "", RefKind.BRANCH, "search-v0.2.0"),
        Resolved("", ""),
        Resolved("", "", RefKind.TAG, "shop-v0.2.0"),
    ],
    ids=["a branch of that name", "its commit", "a tag of the service's own"],
)
async def test_a_branch_a_commit_and_the_services_own_tags_are_taken(
    team: Team, means: Resolved
) -> None:
    shares(team)
    team.ci.means = means
    await team.says("ana", Deploy("shop", "staging", "v2"))
    assert (await team.deployment("shop-1")).version == "v2"


@pytest.mark.case("adoption-2")
async def test_what_another_repositorys_service_calls_its_versions_says_nothing_here(
    team: Team,
) -> None:
    shares(team, ProviderChoice("scripted", repository=("acme/search",)))
    await team.says("ana", Deploy("shop", "staging", "v2"))
    assert (await team.deployment("shop-1")).version == "v2"
