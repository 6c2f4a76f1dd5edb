"""A start that two processes have asked for: what one of them is answered says nothing of the
other's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.commands import RollBack
from tests.services.process import How
from tests.services.world import SCENES, Setting, World, prepared


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[World]:
    """Give a world in which the first share of v2 is being asked for, and no start is answered."""
    scene = prepared("starting", "", tmp_path / "scene")
    setting = Setting(frozenset({"start"}), is_behind=True, approvals=SCENES["starting"].approvals)
    world = scene.copied(tmp_path / "now", setting)
    yield world
    world.close()


@pytest.mark.case("races-5")
def test_what_the_first_process_is_answered_late_does_not_hide_what_the_second_has_asked_for(
    starting: World,
) -> None:
    (v2, process) = (starting.deployments()[0], starting.process)
    starting.loop.run_until_complete(process.is_taken_over())
    old, new = sorted(process.calls, key=lambda call: call.task not in process.frozen)
    assert (old.kind, new.kind) == ("start", "start")
    starting.says("bo", RollBack(deployment=v2, although_unknown=True))
    process.answer(new, How.LOST)  # it runs, and nobody was told
    starting.settles()
    process.answer(old, How.OK)  # a second one, which is stopped at once
    starting.settles()
    sought = starting.promises.rows("select run, unanswered from stray")
    assert [row["unanswered"] for row in sought] == [1], "what may run still is looked for"
    starting.promises.all_hold()
