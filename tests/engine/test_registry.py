"""The released runbooks."""

from __future__ import annotations

import pytest

from bot.engine.released import Registry, digest
from bot.ports.engine import Run


async def one(run: Run) -> None:
    """Do nothing."""


async def two(run: Run) -> None:
    """Do nothing else."""


def test_a_version_is_released_once() -> None:
    registry = Registry()
    registry.add("deploy", 1, one)
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("deploy", 1, two)


def test_a_new_run_takes_the_newest_version_and_an_old_one_finds_its_own() -> None:
    registry = Registry()
    registry.add("deploy", 2, two)
    registry.add("deploy", 1, one)
    assert registry.newest("deploy") == 2
    assert registry.find("deploy", 1) is one
    assert registry.find("deploy", 3) is None


def test_the_digest_tells_an_edit() -> None:
    assert digest(one) == digest(one)
    assert len({digest(one), digest(two), digest(one, two)}) == 3
