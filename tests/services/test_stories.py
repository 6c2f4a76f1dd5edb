"""Whole stories, as the people in them read them and as the audit log keeps them: who is told what,
where, and what is written down.

Each stands in ``stories/NAME.txt`` and is read like a chat. ``GONOGO_WRITE_STORIES=1`` writes them
anew; read them before you keep them.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain.catalog import ApprovalRule
from tests.services import tales, tales_of_trouble
from tests.services.authority_world import World
from tests.services.conftest import working
from tests.services.every_state import described
from tests.services.storyteller import Story

STORIES = Path(__file__).parent / "stories"


TOLD: dict[Callable[[Story], Awaitable[None]], dict[str, Any]] = {
    tales.a_version_that_is_good: {},
    tales.a_version_that_is_bad: {},
    tales.a_lead_who_decides: {},
    tales.a_run_that_fails: {},
    tales.a_smoke_test_that_fails: {},
    tales.a_gate_of_the_pipeline: {},
    tales.what_ends_before_it_begins: {},
    tales.what_is_said_to_be_live: {},
    tales_of_trouble.a_run_that_cannot_be_stopped: {},
    tales_of_trouble.a_provider_that_refuses_and_is_silent: {},
    tales_of_trouble.two_approvers: {
        "approvals": (ApprovalRule("release_manager"), ApprovalRule("support"))
    },
    tales_of_trouble.nobody_on_call: {},
    tales_of_trouble.a_migration_in_between: {},
    tales_of_trouble.somebody_who_does_not_wait: {
        "gates": (),
        "checklist": (),
        "approvals": (),
        "after": "",
        "strategy": "rolling",
    },
    tales_of_trouble.one_after_the_other: {
        "gates": (),
        "checklist": (),
        "approvals": (),
        "after": "",
        "strategy": "rolling",
    },
}
"""The stories, and how production is deployed to in each."""


@pytest.mark.parametrize("told", TOLD, ids=lambda told: str(told.__name__))
async def test_a_story_is_read_and_kept_as_it_happens(
    tmp_path: Path, told: Callable[[Story], Awaitable[None]]
) -> None:
    async with working(tmp_path, **TOLD[told]) as team:
        story, kept = Story(team, tmp_path / "team.db"), STORIES / f"{told.__name__}.txt"
        await told(story)
        await story.ends()
    assert _written(kept, story.lines) == kept.read_text()


async def test_every_state_reads_as_it_did_on_the_card_on_the_board_and_where_something_was_asked(
    every: World,
) -> None:
    kept = STORIES / "every_state.txt"
    assert _written(kept, await described(every)) == kept.read_text()


def _written(kept: Path, lines: list[str]) -> str:
    text = "\n".join(lines).strip() + "\n"
    if os.environ.get("GONOGO_WRITE_STORIES"):
        kept.write_text(text)
    return text
