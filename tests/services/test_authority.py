"""Who may do what, when, at which door: every combination, counted from the code's own tables.

One rule for each verb stands below. What the rule does not give is tried on the real services: it
is refused with a sentence and changes nothing. What it gives is done, and taken back. A verb, an
action, a state or a door that is missing here makes a test fail.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from bot.dispatch import tables, typed, use_cases
from bot.domain.actions import BINDS, Action
from bot.domain.commands import Command, SayLive
from bot.domain.deployment import TRANSITIONS, Deployment, State
from bot.domain.places import Ground
from bot.domain.shown import Seen, seen_on, token
from bot.ports.ci import Resolved
from bot.ports.talk import Answer, Intent, Place
from bot.queries.card import card_of
from bot.services.claims import Claim
from tests.services.authority_rules import EVER, MEMBERS, RULES
from tests.services.authority_world import PEOPLE, Who, World
from tests.services.conftest import COMMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.services.context import Context
from bot.services.passing import compared_with, there

TYPED: Mapping[str, str] = {
    "deploy": "{service} v3 to production",
    "check": "check {service} v3 to production",
    "status": "status {service}",
    "history": "history {service}",
    "cancel": "cancel {id}",
    "retest": "retest {id}",
    "lock": "lock {service} production because a fire",
    "unlock": "unlock {service} production",
    "locks": "locks",
    "quarantine": "quarantine {service} v3 because a fire",
    "unquarantine": "unquarantine {service} v4 because it was the network",
    "live": "live {service} production is v3 because I looked",
    "lead": "lead {id} <@UDEVELOPER>",
    "rollback": "{service} production because a fire",
    "help": "help",
}
"""How each command is typed about a deployment."""


def said(deployment: Deployment) -> list[Command]:
    """Read every command as it is typed."""
    found: list[Command] = []
    for verb, text in TYPED.items():
        line = text.format(id=deployment.id, service=deployment.service)
        read = typed.parse_rollback(line) if verb == "rollback" else typed.parse_deploy(line)
        assert isinstance(read, Command)
        found.append(read)
    return found


async def clicked(context: Context, deployment: Deployment, *, old: bool = False) -> list[Command]:
    """Give what every button and every dialog about a deployment stands for, as the listeners read
    it; ``old``: of an older card.
    """
    card = await card_of(context, deployment.id)
    async with context.store.reading() as reader:
        lock = next(
            lock for lock in await reader.locks(deployment.service, "production") if lock.deployment
        )
    assert card is not None
    found: list[Command] = []
    for action in Action:
        if action in tables.SHOWS | tables.AS_TYPED:
            continue
        shown = (
            token(action, Seen(lock=lock.mark) if action is Action.UNLOCK else seen_on(card))
            if action in BINDS
            else ""
        )
        shown = "00000000" if old else card.under_way.gate if action is Action.OPEN_GATE else shown
        if action is Action.SAY_LIVE:
            found.append(await said_live(context, deployment, old=old))
        elif action in tables.AT_ONCE:
            found.append(tables.AT_ONCE[action](deployment.id, shown))
        elif action in tables.CHOOSING:
            found.append(tables.CHOOSING[action](deployment.id, ("support",), (), shown))
        else:
            found.append(tables.ASKING_WHY[action](deployment.id, "a reason", shown))
    return found


async def said_live(context: Context, deployment: Deployment, *, old: bool) -> Command:
    """Give what the button of the dialog stands for that ``/deploy live`` is answered with."""
    said = Resolved(COMMITS["v3"], "v3")
    command = SayLive(deployment.service, "production", "v3", "I looked")
    async with context.store.reading() as reader:
        place = (deployment.service, "production")
        ground = Ground(
            "", "", "", doubt=await reader.doubt(*place), strays=await reader.strays(*place)
        )
        passing = await compared_with(
            context, deployment.service, said.commit, await there(reader, *place, but=said.commit)
        )
        claim = Claim(*place, said, ground, await reader.live(*place), "", passing, None)
    shown = "00000000" if old else token(Action.SAY_LIVE, claim.seen)
    return tables.AT_ONCE[Action.SAY_LIVE](
        f"{command.service}/{command.environment}",
        f"{shown} {said.commit} {said.version} {command.reason}",
    )


KEYS = itertools.count()


async def says(context: Context, who: Who, command: Command) -> Answer | None:
    return await use_cases.carry_out(
        context, Intent(f"key {next(KEYS)}", command, PEOPLE[who], Place("C2"), context.now())
    )


async def is_refused(context: Context, who: Who, command: Command) -> bool:
    answer = await says(context, who, command)
    if answer is None or answer.name != "refusal":
        return False
    sentence = str(answer.facts["sentence"])
    assert who in MEMBERS or sentence.startswith(
        "Go/No-Go takes requests from members of this workspace only"
    ), sentence
    return sentence.endswith((".", "?"))


def test_every_verb_has_a_rule_and_every_command_a_line() -> None:
    assert set(RULES) == set(tables.COMMANDS)
    assert set(TYPED) == set(tables.USAGE)
    assert {kind.verb for kind in tables.VERBS} == set(tables.COMMANDS)


def test_every_action_is_a_command_a_dialog_or_only_shows() -> None:
    with_dialog = set(tables.ASKING_WHY) | set(tables.CHOOSING)
    assert set(Action) == {*tables.AT_ONCE, *with_dialog, *tables.SHOWS, *tables.AS_TYPED}
    assert set(BINDS) == set(Action)


def test_every_state_can_be_reached_and_every_rule_names_states_that_exist() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {rule.when <= EVER for rule in RULES.values()} == {True}


@pytest.mark.case("trust-4", "structure-5")
@pytest.mark.parametrize("state", State)
async def test_whatever_nobody_has_a_right_to_is_refused_with_a_sentence_and_changes_nothing(
    every: World, state: State
) -> None:
    deployment = every.deployments[state]
    context, undoing = every.undoing()
    commands = [*said(deployment), *await clicked(every.context, deployment)]
    denied = [
        (who, each) for each in commands for who in Who if not RULES[each.verb].allows(who, state)
    ]
    for who, each in denied:
        undoing.ended = 0
        assert await is_refused(context, who, each), (who, each)
        assert undoing.ended == 1, "the refusal is written down, and nothing else"
    assert len(denied) > 350


@pytest.mark.case("trust-4")
@pytest.mark.parametrize("state", State)
async def test_whoever_has_the_right_gets_it_done_by_click_and_by_word(
    every: World, state: State
) -> None:
    deployment, before = every.deployments[state], every.contents()
    context, undoing = every.undoing()
    commands = [*said(deployment), *await clicked(every.context, deployment)]
    for each in commands:
        rule = RULES[each.verb]
        for who in Who:
            if rule.allows(who, state):
                undoing.written = 0
                assert not await is_refused(context, who, each), (who, each)
                is_dialog = (each.verb == "rollback" and not getattr(each, "deployment", "")) or (
                    isinstance(each, SayLive) and not each.shown
                )
                is_question = rule.asks or is_dialog
                assert bool(undoing.written) is not is_question, (who, each)
    assert every.contents() == before


@pytest.mark.case("card-and-people-1")
@pytest.mark.parametrize("state", State)
async def test_a_click_on_an_older_card_is_refused_to_whoever_has_the_right_too(
    every: World, state: State
) -> None:
    deployment, before = every.deployments[state], every.contents()
    tried = Counter[str]()
    for each in await clicked(every.context, deployment, old=True):
        if each.verb == "ask_lead":  # it asks whoever leads now
            continue
        for who in Who:
            if RULES[each.verb].allows(who, state):
                assert await is_refused(every.context, who, each), (who, each)
                tried[each.verb] += 1
    assert every.contents() == before
    assert tried["unlock"]
