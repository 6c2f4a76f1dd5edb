"""Every command that is printed somewhere is accepted in the state that prints it: at night
nobody finds another one.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.dispatch.typed import parse_deploy, parse_rollback
from bot.domain.changes import Changes
from bot.domain.commands import (
    Cancel,
    Command,
    Deploy,
    Lock,
    Quarantine,
    RollBack,
    SayLive,
    Status,
    Unlock,
)
from bot.domain.deployment import State
from bot.ports.talk import Intent, Place
from bot.queries import board
from bot.slack.dialogs import Dialogs
from tests.services.conftest import BAD, MINUTE, PEOPLE, Team, readable, working

SWIFT: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "strategy": "rolling",
    "watch": MINUTE,
}
MIGRATES = Changes(total=1, files=("migrations/7.sql",))

_PRINTED = (
    r"/rollback (?P<at>[\w-]+ [\w-]+(?: to \S+)? because TEXT)",
    r"/deploy (live [\w-]+ [\w-]+ is \S+ because TEXT)",
    r"/deploy ((?:un)?quarantine [\w-]+ \S+ because TEXT)",
    r"/deploy (lead \S+ @user)",
    r"/deploy (lock [\w-]+ [\w-]+ because TEXT)",
    r"/deploy (unlock [\w-]+ [\w-]+)",
    r"/deploy (cancel \S+-\d+)",
    r"/deploy (locks|status|help)\b",
    r"/deploy ([\w-]+ REF to [\w-]+)",
)
"""How a command is printed, with words in capitals for what only the person knows."""
_ANY = re.compile(r"/(?:deploy|rollback)\b(?! in any channel)")


def printed(text: str) -> set[str]:
    """List the commands that a text prints. Fails for one that could not be typed as it stands."""
    found: set[str] = set()
    for start in _ANY.finditer(text):
        rest = text[start.start() :]
        match = next((match for form in _PRINTED if (match := re.match(form, rest))), None)
        assert match is not None, f"nobody could type this as it stands: {rest[:80]}"
        found.add(match[0])
    return found


def typed(command: str) -> Command:
    """Read a printed command as somebody types it, with their own words for those in capitals."""
    words = command.replace("TEXT", "it has to be").replace("@user", "<@UANA>").replace("REF", "v3")
    if words.startswith("/deploy live"):
        words = words.replace("is v3", "is v1")  # whoever has gone back by hand says what to
    verb, _, rest = words.partition(" ")
    return parse_rollback(rest) if verb == "/rollback" else parse_deploy(rest)


async def everything_shown(team: Team, answers: list[str]) -> str:
    """Read what people can read now: the status, the Home, every card, every
    message, and what was answered.
    """
    cards = [
        await team.shown(each)
        for each in ("shop-1", "shop-2", "shop-3")
        if await _exists(team, each)
    ]
    home = str(Dialogs(team.words).home(await board.rows(team.context), roles=[]))
    now = [readable(team.reads(message)) for message in await team.outbox()]
    return "\n".join([*answers, await team.says("bo", Status()), readable(home), *cards, *now])


async def _exists(team: Team, id: str) -> bool:
    async with team.database.store.reading() as reader:
        return await reader.deployment(id) is not None


# The situations: each gives what was answered on the way ----------------------------------------


async def _live(team: Team, version: str) -> None:
    await team.says("ana", Deploy("shop", "production", version))
    await team.passes(4 * MINUTE)


async def a_live_version_is_quarantined(team: Team) -> list[str]:
    await _live(team, "v2")
    return [await team.says("bo", Quarantine("shop", "v2", "it loses carts"))]


async def what_a_rollback_brought_back_is_quarantined(team: Team) -> list[str]:
    await _live(team, "v2")
    await _live(team, "v3")
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await team.passes(2 * MINUTE)
    return [await team.says("bo", Quarantine("shop", "v2", "it loses carts"))]


async def what_was_live_before_the_bot_came_is_back_and_quarantined(team: Team) -> list[str]:
    await _live(team, "v2")
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await team.passes(2 * MINUTE)
    said = [await team.says("bo", Quarantine("shop", "v1", "it loses carts"))]
    return [*said, await team.says("bo", RollBack("shop", "production", reason="errors"))]


async def a_rollback_is_typed_twice(team: Team) -> list[str]:
    await _live(team, "v2")
    await _live(team, "v3")
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await team.passes(2 * MINUTE)
    return [await team.says("bo", RollBack("shop", "production", reason="errors"))]


async def a_live_version_with_a_migration_is_quarantined(team: Team) -> list[str]:
    team.ci.changes = MIGRATES
    await _live(team, "v2")
    said = [await team.says("bo", Quarantine("shop", "v2", "it loses carts"))]
    return [*said, await team.says("bo", RollBack("shop", "production", reason="errors"))]


async def a_migration_rolls_out_and_nothing_is_the_matter(team: Team) -> list[str]:
    team.ci.changes = MIGRATES
    await team.says("ana", Deploy("shop", "production", "v2", strategy="canary"))
    await team.passes(MINUTE)
    assert (await team.deployment("shop-1")).state is State.ROLLING_OUT
    return [await team.says("bo", RollBack("shop", "production", reason="errors"))]


async def a_migration_is_degraded_at_its_first_step(team: Team) -> list[str]:
    team.ci.changes = MIGRATES
    team.numbers.new = BAD
    await team.says("ana", Deploy("shop", "production", "v2", strategy="canary"))
    await team.passes(3 * MINUTE)
    said = [await team.says("bo", RollBack("shop", "production", reason="errors"))]
    return [*said, await team.says("bo", Cancel("shop-1"))]


async def a_rollout_stands_still_behind_a_lock(team: Team) -> list[str]:
    await team.says("ana", Deploy("shop", "production", "v2", strategy="canary"))
    await team.passes(MINUTE)
    said = [
        await team.says("bo", Lock("shop", "production", "fire")),
        await team.says("bo", Cancel("shop-1")),
    ]
    await team.passes(15 * MINUTE)
    assert "stands still" in await team.shown("shop-1")
    return said


async def a_rollout_stands_still_behind_a_lock_of_everything(team: Team) -> list[str]:
    await team.says("ana", Deploy("shop", "production", "v2", strategy="canary"))
    await team.passes(MINUTE)
    said = [
        await team.says("bo", Lock("", "production", "incident 7")),
        await team.says("bo", Unlock("shop", "production")),
    ]
    await team.passes(15 * MINUTE)
    assert "stands still" in await team.shown("shop-1")
    return said


async def a_version_is_quarantined_under_way(team: Team) -> list[str]:
    await team.says("ana", Deploy("shop", "production", "v2", strategy="canary"))
    await team.passes(MINUTE)
    said = [await team.says("bo", Quarantine("shop", "v2", "it loses carts"))]
    await team.passes(15 * MINUTE)
    return said


async def what_is_live_is_said_to_be_another(team: Team) -> list[str]:
    return [await team.says("bo", SayLive("shop", "production", "v2", "I put it there"))]


async def what_would_be_gone_back_to_is_quarantined(team: Team) -> list[str]:
    await _live(team, "v2")
    await team.says("bo", Quarantine("shop", "v1", "it loses carts"))
    return [await team.says("bo", RollBack("shop", "production", "v1", reason="errors"))]


async def nobody_leads_what_is_ready(team: Team) -> list[str]:
    team.rota.person = None
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    return [await team.shown("shop-1")]


async def a_version_without_the_migration_of_what_is_live_waits(team: Team) -> list[str]:
    team.ci.parted = {
        "a b": MIGRATES,
        "b a": Changes(total=1, files=("migrations/7.sql",), backwards=True),
    }
    await _live(team, "v2")
    team.ci.parted = {
        **team.ci.parted,
        "b c": Changes(total=1, files=("cart.py",)),
        "c b": MIGRATES,
    }
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(MINUTE)
    assert "database fits: v2 brought migrations/7.sql, which v3 has not" in await team.shown(
        "shop-2"
    )
    assert "the lead can go back by the migration's own plan and say so" in await team.shown(
        "shop-2"
    )
    return []


SITUATIONS: tuple[Callable[[Team], Awaitable[list[str]]], ...] = (
    a_live_version_is_quarantined,
    what_a_rollback_brought_back_is_quarantined,
    what_was_live_before_the_bot_came_is_back_and_quarantined,
    a_rollback_is_typed_twice,
    a_live_version_with_a_migration_is_quarantined,
    a_migration_rolls_out_and_nothing_is_the_matter,
    a_migration_is_degraded_at_its_first_step,
    a_rollout_stands_still_behind_a_lock,
    a_rollout_stands_still_behind_a_lock_of_everything,
    a_version_is_quarantined_under_way,
    what_is_live_is_said_to_be_another,
    what_would_be_gone_back_to_is_quarantined,
    nobody_leads_what_is_ready,
    a_version_without_the_migration_of_what_is_live_waits,
)


@pytest.mark.case("card-and-people-13")
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
async def test_every_printed_command_is_accepted_in_the_state_that_prints_it(
    tmp_path: Path, situation: Callable[[Team], Awaitable[list[str]]]
) -> None:
    (tmp_path / "0").mkdir()
    async with working(tmp_path / "0", **SWIFT) as team:
        shown = await everything_shown(team, await situation(team))
        commands = sorted(printed(shown))
    assert not re.search(r"&lt;[@!#]", shown), "what marks people and times is written as marks"
    assert commands, "a situation without a command proves nothing"
    for number, command in enumerate(commands, 1):
        (tmp_path / str(number)).mkdir()
        async with working(tmp_path / str(number), **SWIFT) as team:
            await situation(team)
            intent = Intent(
                "printed", typed(command), PEOPLE["bo"], Place("C2"), team.context.now()
            )
            answer = await use_cases.carry_out(team.context, intent)
            assert answer is not None
            assert answer.name != "refusal", f"{command}: {answer.facts['sentence']}"


@pytest.mark.case("card-and-people-12")
async def test_what_is_live_and_quarantined_after_a_rollback_is_rolled_back_by_the_command_that_is_printed(
    swift: Team,
) -> None:
    await what_a_rollback_brought_back_is_quarantined(swift)
    assert (
        "stays live until <@UBO> rolls it back: /rollback shop production because TEXT"
        in await swift.says("ana", Status())
    )
    assert "Roll shop in production back from v2 to *v1*?" in await swift.says(
        "bo", RollBack("shop", "production", reason="errors")
    )
