"""The audit chain under any change: whoever changes, drops, adds or swaps an entry is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.domain.audit import Entry, Head, Key, Keys, Link, Wanted, entry_of, seal, services_of, sign
from bot.domain.people import Person
from bot.domain.proof import Agreement, Report, Verdict, Verifier

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OLD, NEW = Key(b"an old key of the log"), Key(b"a new key of the log")
BOTH = Keys((NEW, OLD))
SIZE = 8
FEW = settings(max_examples=30, deadline=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
ENTRIES = st.builds(
    Entry,
    st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.builds(Person, st.sampled_from(["T1", ""]), st.text("UABC/1", min_size=1, max_size=6)),
    st.text(max_size=10),
    st.sampled_from(["", "shop-1", "my-shop-12"]),
    st.sampled_from(["done", "refused", "failed", "incident"]),
    st.dictionaries(st.text(max_size=4), JSON, max_size=3),
)


@cache
def chain(key: Key | None = NEW) -> tuple[Link, ...]:
    links: list[Link] = []
    for number in range(SIZE):
        facts = {"number": number, "é": [number]}
        entry = Entry(NOW + number * MINUTE, Person("T1", "ANA"), "tick", "shop-1", facts=facts)
        links.append(seal(entry, Head(links[-1].n, links[-1].hash) if links else None, key))
    return tuple(links)


def verified(links: Sequence[Link], *heads: Head, keys: Keys = BOTH) -> Report:
    verifier = Verifier(keys, heads)
    verifier.take(links)
    return verifier.report()


@FEW
@given(ENTRIES, st.sampled_from([None, NEW]))
def test_an_entry_is_read_back_as_it_was_whatever_it_says(entry: Entry, key: Key | None) -> None:
    link = seal(entry, None, key)
    assert entry_of(link) == entry
    assert seal(entry_of(link), None, key) == link
    proved = Verdict.PROVED if key else Verdict.UNPROVED
    assert verified([link]).verdict is proved


@FEW
@given(st.integers(0, SIZE - 1), st.sampled_from([each.name for each in fields(Link)]), st.data())
def test_whatever_is_changed_in_whichever_entry_breaks_the_chain_there_or_right_after_it(
    at: int, name: str, data: st.DataObject
) -> None:
    old = getattr(chain()[at], name)
    other: Any = data.draw(st.integers(0, 99) if isinstance(old, int) else st.text(max_size=12))
    assume(other != old)
    changed = [*chain()]
    changed[at] = replace(chain()[at], **{name: other})
    report = verified(changed)
    assert report.verdict is not Verdict.PROVED
    if name not in {"format", "key"}:
        assert report.verdict is Verdict.BROKEN
        assert report.broken is not None
        assert report.head is None or report.head.n <= at


@FEW
@given(st.permutations(range(SIZE)))
def test_entries_in_another_order_are_never_proved(order: list[int]) -> None:
    links = [chain()[at] for at in order]
    is_same = order == sorted(order)
    assert verified(links).verdict is (Verdict.PROVED if is_same else Verdict.BROKEN)


@FEW
@given(st.sets(st.integers(0, SIZE - 1), min_size=1))
def test_entries_that_are_left_out_are_missed_wherever_they_were(gone: set[int]) -> None:
    left = [link for at, link in enumerate(chain()) if at not in gone]
    last = sign(Head(chain()[-1].n, chain()[-1].hash), NOW, NEW)
    assert verified(left, last).verdict is Verdict.BROKEN
    is_tail = gone == set(range(min(gone), SIZE))
    assert (verified(left).broken is None) == is_tail, "only a tail goes unseen without a head"


@FEW
@given(st.lists(st.integers(1, SIZE), max_size=4))
def test_in_which_pieces_a_chain_comes_decides_nothing(cuts: list[int]) -> None:
    verifier, begin = Verifier(BOTH), 0
    for end in [*sorted(cuts), SIZE]:
        assert verifier.take(chain()[begin:end])
        begin = max(begin, end)
    assert verifier.report() == verified(chain())


@FEW
@given(st.integers(1, SIZE), st.integers(1, SIZE))
def test_each_kept_head_of_the_chain_holds_and_one_of_another_chain_never_does(
    one: int, other: int
) -> None:
    head = sign(Head(one, chain()[one - 1].hash), NOW, NEW)
    report = verified(chain(), head)
    assert [each.agreement for each in report.compared] == [Agreement.HOLDS]
    assert report.anchor == one
    strange = sign(Head(other, chain(OLD)[other - 1].hash), NOW, NEW)
    report = verified(chain(), head, strange)
    assert report.verdict is Verdict.BROKEN
    assert report.contradicted is not None
    assert report.contradicted.head == strange


@FEW
@given(st.integers(0, SIZE - 1))
def test_going_on_from_a_verified_head_finds_what_is_wrong_from_there_on(at: int) -> None:
    since = Head(chain()[at].n, chain()[at].hash)
    verifier = Verifier(BOTH, (), since)
    assert verifier.take(chain()[at:])
    assert verifier.report().verdict is Verdict.PROVED
    assert verifier.report().since == at + 1
    for links in (chain()[at + 1 :], chain(OLD)[at:]):
        wrong = Verifier(BOTH, (), since)
        wrong.take(links)
        assert wrong.report().verdict is Verdict.BROKEN


@FEW
@given(st.integers(-2, SIZE + 2), st.integers(-2, SIZE + 2))
def test_what_is_asked_for_by_time_is_from_a_moment_on_and_before_another(
    since: int, until: int
) -> None:
    wanted = Wanted(since=NOW + since * MINUTE, until=NOW + until * MINUTE)
    found = [at for at, link in enumerate(chain()) if link in wanted]
    assert found == [at for at in range(SIZE) if since <= at < until]


def test_what_is_asked_for_by_service_is_found_by_the_id_the_facts_and_the_refused_command() -> (
    None
):
    def about(deployment: str, **facts: Any) -> set[str]:
        entry = Entry(NOW, Person("T1", "ANA"), "deploy", deployment, facts=facts)
        return services_of(seal(entry, None, None))

    assert about("my-shop-12") == {"my-shop"}
    assert about("", service="web") == {"web"}
    assert about("", command={"verb": "lock", "service": "api"}) == {"api"}
    assert about("shop-1", service="web", command={"service": "api"}) == {"shop", "web", "api"}
    assert about("", command="lock", service="") == about("", command={"service": ""}) == set()


def test_whoever_asks_for_nothing_in_particular_gets_everything() -> None:
    assert all(link in Wanted() for link in chain())
    assert all(link in Wanted(service="shop", deployment="shop-1") for link in chain())
    assert not any(link in Wanted(service="web") for link in chain())
    assert not any(link in Wanted(deployment="shop-2") for link in chain())
