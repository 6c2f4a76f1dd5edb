"""A command can be written as it is typed, and a button with the corrected one is one person's,
once, and for a while.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.dispatch.correcting import line_meant
from bot.dispatch.typed import line_of, parse, parse_deploy, parse_rollback
from bot.domain.actions import Action
from bot.domain.commands import (
    Approve,
    Check,
    Command,
    Deploy,
    History,
    Lock,
    Quarantine,
    RollBack,
    SayLive,
    Status,
    Unlock,
    Unquarantine,
)
from bot.domain.corrected import GOOD_FOR, LONGEST_LINE, offered, taken
from bot.domain.errors import Meant, NotAllowed, NotPossible, NotUnderstood
from bot.domain.people import Person

NOW = datetime(2026, 11, 29, 9, 30, tzinfo=UTC)
ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")

LINES: dict[Command, str] = {
    Deploy("shop", "production", "v1"): "/deploy shop v1 to production",
    Deploy("shop", "production"): "/deploy shop latest to production",
    Deploy("status", "production", "v1"): "/deploy deploy status v1 to production",
    Deploy("shop", "production", "v1", "canary", "U1", "a < b & c > d"): (
        "/deploy shop v1 to production with canary lead <@U1> because a &lt; b &amp; c &gt; d"
    ),
    Check("shop", "production", "v1"): "/deploy check shop v1 to production",
    Status("shop"): "/deploy status shop",
    History("shop", "production"): "/deploy history shop production",
    Lock("", "production", "a fire"): "/deploy lock all production because a fire",
    Lock("shop", "production", "a fire", 5400): (
        "/deploy lock shop production for 90m because a fire"
    ),
    Unlock("shop", "production"): "/deploy unlock shop production",
    Quarantine("shop", "v1", "x"): "/deploy quarantine shop v1 because x",
    Unquarantine("shop", "v1", "x"): "/deploy unquarantine shop v1 because x",
    SayLive("shop", "production", "v1", "x"): "/deploy live shop production is v1 because x",
    RollBack("shop", "production", "v1", "x"): "/rollback shop in production to v1 because x",
    RollBack("shop", "", "", "x"): "/rollback shop because x",
}


@pytest.mark.parametrize(("command", "line"), LINES.items(), ids=LINES.values())
def test_a_command_is_written_as_it_is_typed_and_read_as_the_same(
    command: Command, line: str
) -> None:
    assert (line_of(command), parse(line)) == (line, command)


@pytest.mark.parametrize(
    "command",
    [
        Approve("shop-1"), RollBack(deployment="shop-1", shown="abc"),
        SayLive("shop", "production", "v1", "x", shown="abc"),
        Unlock(deployment="shop-1"),
    ],
)  # fmt: skip
def test_what_a_button_asks_for_and_what_would_be_read_otherwise_is_not_written(
    command: Command,
) -> None:
    assert line_of(command) == ""


def test_the_word_that_was_meant_takes_the_place_of_the_other() -> None:
    asked = Deploy("shpo", "production", "v1", reason="it is time")

    def meant(command: Command, meant: Meant | None) -> str:
        return line_meant(command, NotPossible("no", meant=meant))

    assert meant(asked, Meant("service", "shop")) == (
        "/deploy shop v1 to production because it is time"
    )
    assert meant(asked, Meant("strategy", "canary")) == "", "no strategy was typed"
    assert meant(asked, None) == ""
    assert meant(Approve("shop-1"), Meant("service", "shop")) == ""


MEANT = {
    "/deploy stauts": "/deploy status",
    "/deploy chekc shop v1 to production": "/deploy check shop v1 to production",
    "/deploy help lokc": "/deploy help lock",
    "/deploy shop v1 too production": "/deploy shop v1 to production",
    "/deploy shop v1 to production wiht canary": "/deploy shop v1 to production with canary",
    "/deploy lock shop production fro 2h because x": (
        "/deploy lock shop production for 2h because x"
    ),
    "/rollback shop production becuase it  burns": "/rollback shop production because it burns",
}
NOT_CERTAIN = [
    "/deploy lokc shop production", "/deploy lo", "/deploy xyzzy", "/deploy shop v1", "/deploy stauts shop becuase x",
    "/deploy storefront v1 v2 to production", f"/deploy stauts {'x' * 3000}",
]  # fmt: skip


@pytest.mark.parametrize(("typed", "line"), MEANT.items())
def test_one_misspelt_word_gives_the_line_that_was_meant(typed: str, line: str) -> None:
    with pytest.raises(NotUnderstood, match="Did you mean") as refused:
        parse(typed)
    assert refused.value.line == line
    parse(line)


@pytest.mark.parametrize("typed", NOT_CERTAIN)
def test_no_line_is_offered_that_would_be_refused_or_is_not_the_only_one(typed: str) -> None:
    read = parse_rollback if typed.startswith("/rollback") else parse_deploy
    with pytest.raises(NotUnderstood) as refused:
        read(typed.partition(" ")[2])
    assert refused.value.line == ""


def test_the_button_is_one_persons_and_good_for_a_quarter_of_an_hour() -> None:
    (offer,) = offered("/deploy status", ANA, NOW, "trigger 1")
    assert (offer.action, offer.label) == (Action.RUN_CORRECTED, "/deploy status")
    carried = f"{offer.deployment} {offer.carries}"
    found = taken(carried, ANA, NOW + GOOD_FOR)
    assert (found.line, found.by, found.key) == (
        "/deploy status", ANA, f"corrected {offer.deployment}",
    )  # fmt: skip
    with pytest.raises(NotAllowed, match="offered to somebody else"):
        taken(carried, BO, NOW)
    for late, ago in ((timedelta(minutes=16), "16 minutes"), (timedelta(hours=30), "30 hours")):
        with pytest.raises(NotPossible, match=rf"{ago} ago; nothing was done\. .*: /deploy status"):
            taken(carried, ANA, NOW + late)


@pytest.mark.parametrize("carried", ["", "x", "shop-1 abc", "0123456789abcdef T1/UANA x /deploy"])
def test_what_is_no_button_of_ours_is_refused(carried: str) -> None:
    with pytest.raises(NotPossible, match="not one of ours"):
        taken(carried, ANA, NOW)


def test_two_offers_are_two_and_what_fits_into_no_button_is_not_offered() -> None:
    first, again = (offered("/deploy status", ANA, NOW, key)[0] for key in ("a", "b"))
    assert first.deployment != again.deployment
    assert offered("", ANA, NOW, "a") == offered("/" + "x" * LONGEST_LINE, ANA, NOW, "a") == ()
