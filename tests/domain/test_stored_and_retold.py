"""What is stored and read again, cut short or retold says what it said: for any of it."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import plain
from bot.domain.audit import Entry
from bot.domain.called import apart, called, is_moved, name_of
from bot.domain.commands import COMMANDS, Command, Lock, from_json, to_json
from bot.domain.hanging import AT_LEAST, UNKNOWN, Basis, patience
from bot.domain.limits import SLACK, Unreadable, mended, read_json
from bot.domain.people import GONOGO, Person
from bot.domain.timeline import EDGE, MOST, Line, retold
from bot.domain.trouble import Distances, Sort, Trouble, answered, kept, over, worse_since

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
BO = Person("T1", "UBO")
FEW = settings(max_examples=40, deadline=None)
ACTIONS = ["degraded", "blind", "countdown", "recovered", "started", "step done", "approve", "late"]
VALUES: dict[str, Any] = {
    "str": "a text", "int": 7200, "bool": True, "tuple[str, ...]": ("a", "b"),
    "DeploymentId": "shop-2",
}  # fmt: skip
ENTRIES = st.lists(
    st.builds(
        lambda action, by, where, outcome: (action, by, where, outcome),
        st.sampled_from(ACTIONS),
        st.sampled_from([GONOGO, BO]),
        st.sampled_from(["canary-5", "watch"]),
        st.sampled_from(["done", "failed"]),
    ),
    max_size=60,
)


def filled(kind: type[Command]) -> Command:
    return kind(**{each.name: VALUES[str(each.type)] for each in fields(kind)})


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=COMMANDS)
def test_a_command_is_read_as_it_was_stored_with_everything_in_it(kind: type[Command]) -> None:
    for command in (filled(kind), kind(**{
        each.name: VALUES[str(each.type)] for each in fields(kind) if each.default is MISSING
    })):  # fmt: skip
        stored = json.loads(json.dumps(to_json(command)))
        assert stored["verb"] == kind.verb
        assert from_json(stored, COMMANDS) == command


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=COMMANDS)
def test_a_command_of_an_older_version_is_read_and_what_only_a_newer_one_says_is_left_out(
    kind: type[Command],
) -> None:
    needed = {each.name for each in fields(kind) if each.default is MISSING}
    full = to_json(filled(kind))
    older = {name: value for name, value in full.items() if name in {*needed, "verb"}}
    found = from_json(older, COMMANDS)
    assert {each.name: getattr(found, each.name) for each in fields(kind)} == {
        each.name: full[each.name] if each.name in needed else each.default for each in fields(kind)
    }
    assert from_json({**full, "of_a_newer_version": 1}, COMMANDS) == filled(kind)


def test_a_lock_without_a_time_holds_until_somebody_takes_it_away() -> None:
    assert Lock("", "production", "quarter end").duration is None
    assert Lock("", "production", "quarter end", 7200).duration == timedelta(hours=2)


def told_of(said: list[tuple[str, Person, str, str]], left_out: int = 0) -> tuple[Line, ...]:
    entries = [
        Entry(NOW + timedelta(seconds=at), by, action, "", outcome, {"where": where})
        for at, (action, by, where, outcome) in enumerate(said)
    ]
    half = len(entries) // 2
    return retold(entries[:half], left_out, entries[half:])


@FEW
@given(ENTRIES, st.integers(0, 9))
def test_of_everything_that_happened_each_entry_is_told_counted_or_said_to_be_left_out(
    said: list[tuple[str, Person, str, str]], left_out: int
) -> None:
    lines = told_of(said, left_out)
    assert len(lines) <= MOST
    told = sum(line.times + line.left_out for line in lines)
    assert told == (len(said) + left_out if said else 0)
    if len(said) <= MOST:
        assert sum(line.left_out for line in lines) == (left_out if said else 0)


@FEW
@given(ENTRIES)
def test_what_happened_is_retold_in_its_order_with_its_begin_and_its_end(
    said: list[tuple[str, Person, str, str]],
) -> None:
    lines = told_of(said)
    moments = [line.entry.at for line in lines]
    assert moments == sorted(moments)
    assert all(line.until is None or line.until > line.entry.at for line in lines)
    if said:
        assert moments[0] == NOW
        last = max(line.until or line.entry.at for line in lines)
        assert last == NOW + timedelta(seconds=len(said) - 1)
    if len(lines) == MOST:
        assert not any(line.left_out for line in lines[:EDGE])


@FEW
@given(ENTRIES)
def test_nothing_that_people_decided_is_left_out_before_what_the_bot_did(
    said: list[tuple[str, Person, str, str]],
) -> None:
    mine = [each for each in said if each[1] == BO and each[0] not in ACTIONS[:3]]
    lines = told_of(said)
    told = [
        line for line in lines if line.entry.actor == BO and line.entry.action not in ACTIONS[:3]
    ]
    routine = [
        line
        for line in lines[EDGE:-EDGE]
        if line.entry.actor == GONOGO
        and line.entry.action in {"started", "step done"}
        and line.entry.outcome == "done"
    ]
    if routine:
        assert len(told) == len(mine)


@FEW
@given(st.text(max_size=80), st.integers(1, 60))
def test_a_line_is_one_visible_line_and_saying_it_again_changes_nothing(
    text: str, longest: int
) -> None:
    said = plain.line(text, longest)
    assert len(said) <= longest
    assert len(said.splitlines()) <= 1
    assert said == said.strip()
    assert all(sign.isprintable() or sign in "\u200c\u200d" for sign in said)
    assert plain.line(said, longest) == said


@FEW
@given(st.text(max_size=30))
def test_a_link_is_the_address_itself_or_nothing(text: str) -> None:
    for address in (text, f"https://{text}", f"https://ci.example.com/{text}"):
        shown = plain.link(address)
        assert shown in {address, ""}
        assert not set(shown) & set(" <>|\"'`\n\\")


@FEW
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
))  # fmt: skip
def test_json_within_its_limits_is_read_as_it_was_written(value: Any) -> None:
    for ascii_only in (True, False):
        body = json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
        assert read_json(body, SLACK) == value


@FEW
@given(st.binary(max_size=60) | st.text('[]{},:"\\ue1 \ud800', max_size=40).map(
    lambda text: text.encode(errors="surrogatepass")
))  # fmt: skip
def test_whatever_bytes_come_are_json_that_can_be_stored_or_refused(body: bytes) -> None:
    try:
        value = read_json(body, SLACK)
    except Unreadable:
        return
    json.dumps(value, ensure_ascii=False).encode()


@FEW
@given(st.text(st.characters(), max_size=20))
def test_mended_text_can_be_stored_and_is_the_same_where_nothing_was_half(text: str) -> None:
    assert mended(text).encode().decode() == mended(text) == mended(mended(text))
    if not any("\ud800" <= sign <= "\udfff" for sign in text):
        assert mended(text) == text


COMMITS = st.sampled_from([letter * 40 for letter in "abcd"])


@FEW
@given(st.sampled_from(["v1", "web@1.0", "main", "aaaaaaa"]), COMMITS, st.sets(COMMITS))
def test_a_commit_with_a_name_of_its_own_is_found_by_the_name_that_it_has_outside(
    version: str, commit: str, known: set[str]
) -> None:
    found = apart(version, commit, known=known)
    assert name_of(found) == version
    assert apart(version, commit, known={*known, commit}) == version
    others = {apart(version, each, known=known) for each in {"e" * 40, "f" * 40}}
    assert len(others) == (2 if known else 1)


@FEW
@given(st.sampled_from(["v1", "v2", ""]), COMMITS, st.sampled_from(["v1", "v2"]), COMMITS)
def test_a_name_has_moved_for_both_or_for_neither_and_then_both_are_told_apart(
    one: str, first: str, other: str, second: str
) -> None:
    here, there = (one, first), (other, second)
    assert is_moved(here, there) is is_moved(there, here)
    said = called(*here, beside=[there]), called(*there, beside=[here])
    if is_moved(here, there):
        assert said[0] != said[1]
    else:
        assert said == (one, other)


SECONDS = st.lists(st.floats(0, 10_000), max_size=6)


@FEW
@given(SECONDS, SECONDS, st.floats(1, 5))
def test_whoever_has_been_slower_is_given_more_time_and_nobody_less_than_the_least(
    usual: list[float], others: list[float], slower: float
) -> None:
    found = patience(usual, others)
    assert found.time >= (AT_LEAST if usual or others else UNKNOWN)
    later = patience([each * slower for each in usual], [each * slower for each in others])
    assert later.time >= found.time
    assert later.basis is found.basis
    basis = Basis.USUAL if usual else Basis.SLOWEST if others else Basis.NOTHING
    assert found.basis is basis


BAD = st.lists(
    st.tuples(st.sampled_from(["errors", "p95", "orders"]), st.floats(1, 50)), max_size=4
).map(tuple)


@FEW
@given(BAD, BAD, st.integers(1, 9))
def test_an_alarm_says_of_each_metric_what_it_said_first_and_every_older_picture_less(
    bad: Distances, before: Distances, number: int
) -> None:
    known = Trouble(number, Sort.DEGRADED, "watch", bad, before=before)
    said = dict(known.said)
    for key, _ in (*before, *bad):
        first = next(each for name, each in (*before, *bad) if name == key)
        assert said[key] == first
    pictures = [*known.pictures]
    assert [len(each.bad) for each in pictures] == [*range(len(bad) - 1, 0, -1)]
    for shown in pictures:
        assert {*worse_since(known, shown)} == {key for key, _ in bad[len(shown.bad) :]}
    assert worse_since(known, known) == ()


@FEW
@given(BAD, st.integers(1, 9), st.booleans())
def test_a_finding_that_nothing_refuted_goes_on_under_its_number_or_the_next(
    bad: Distances,
    number: int,
    ended: bool,
) -> None:
    known = Trouble(number, Sort.DEGRADED, "canary-5", bad)
    found = kept(over(known, NOW)) if ended else kept(known)
    assert found.is_open
    assert (found.number, found.bad) == (number + ended, bad)
    assert answered(known, None).answered == tuple(dict(bad).items())
    assert over(known).ended_at is None
