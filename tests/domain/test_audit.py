"""The audit chain: what is changed afterwards is found, and what cannot be known is said."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from bot.domain.audit import (
    FORMAT,
    RESTORED,
    Entry,
    Head,
    Key,
    Keys,
    Link,
    Wanted,
    canonical,
    entry_of,
    is_signed,
    seal,
    sign,
)
from bot.domain.people import Person
from bot.domain.proof import (
    Agreement,
    Break,
    Checked,
    Compared,
    Fault,
    Report,
    Stretch,
    Verdict,
    Verifier,
)

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ANA = Person("T1", "ANA")
OLD, NEW = Key(b"an old key of the log"), Key(b"a new key of the log")
BOTH = Keys((NEW, OLD))
ACTIONS = ("deploy", "approve", "started", "rollback")


def chain(*keys: Key | None, actions: Sequence[str] = ACTIONS) -> list[Link]:
    """Write one entry with each key; with a single key, all of them with it."""
    keys = keys * len(actions) if len(keys) == 1 else keys
    links: list[Link] = []
    for number, (key, action) in enumerate(zip(keys, actions, strict=True), start=1):
        entry = Entry(
            NOW + timedelta(minutes=number),
            ANA,
            action,
            "shop-1",
            facts={"b": 1, "a": [action], "é": None},
        )
        links.append(seal(entry, Head(links[-1].n, links[-1].hash) if links else None, key))
    return links


def verified(
    links: Sequence[Link], keys: Keys = BOTH, heads: Sequence[Head] = (), since: Head | None = None
) -> Report:
    verifier = Verifier(keys, heads, since)
    for link in links:  # piece by piece, as a stream comes
        if not verifier.take([link]):
            break
    return verifier.report()


def head_of(link: Link, *, key: Key | None = None, at: datetime = NOW + timedelta(hours=1)) -> Head:
    return sign(Head(link.n, link.hash), at, key)


def test_an_untouched_signed_chain_is_proved() -> None:
    report = verified(chain(NEW))
    assert report.verdict is Verdict.PROVED
    assert report.stretches == (Stretch(1, 4, Checked.SIGNED, NEW.id),)


def test_an_empty_log_proves_nothing() -> None:
    assert verified([]).verdict is Verdict.UNPROVED


CHANGES: dict[str, Any] = {
    "n": 7, "at": "2026-11-21T09:32:00.000001+00:00", "actor": "T2/ANA",
    "action": "reject", "deployment": "shop-2", "outcome": "refused",
    "facts": '{"a":1}', "key": OLD.id, "previous": "0" * 64, "hash": "f" * 64,
}  # fmt: skip


@pytest.mark.case("trust-8")
@pytest.mark.parametrize("key", [None, NEW], ids=["unsigned", "signed"])
@pytest.mark.parametrize("field", [field.name for field in fields(Link) if field.name != "format"])
def test_whatever_the_log_is_selected_by_or_says_is_hashed(field: str, key: Key | None) -> None:
    links = chain(key)
    links[1] = replace(links[1], **{field: CHANGES[field]})
    report = verified(links)
    assert report.broken is not None
    assert report.verdict is Verdict.BROKEN
    assert report.broken.n in {2, 7}


def test_an_entry_in_a_format_of_later_is_said_to_be_unchecked_and_stays_in_its_place() -> None:
    links = chain(NEW)
    links[1] = replace(links[1], format=2)
    report = verified(links)
    assert report.verdict is Verdict.UNPROVED
    assert report.unproved == (Stretch(2, 2, Checked.UNKNOWN_FORMAT, NEW.id),)


@pytest.mark.parametrize("strange", [b"\xff", None, 5], ids=str)
def test_a_field_that_is_no_text_is_found_and_stops_nothing(strange: Any) -> None:
    links = chain(NEW)
    links[1] = replace(links[1], facts=strange)
    assert verified(links).broken == Break(2, Fault.CHANGED)


def test_a_deletion_an_insertion_and_a_swap_are_found() -> None:
    one, two, three, four = chain(None)
    assert verified([one, three, four]).broken == Break(3, Fault.MISNUMBERED)
    assert verified([two, three, four]).broken == Break(2, Fault.MISNUMBERED)
    assert verified([one, two, two, three, four]).broken == Break(2, Fault.MISNUMBERED)
    assert verified([one, three, two, four]).broken == Break(3, Fault.MISNUMBERED)
    assert verified([one, replace(three, n=2), four]).broken == Break(2, Fault.UNLINKED)


@pytest.mark.case("trust-8")
def test_old_entries_verify_under_the_old_key_after_a_rotation() -> None:
    report = verified(chain(OLD, OLD, NEW, NEW))
    assert report.verdict is Verdict.PROVED
    assert report.stretches == (
        Stretch(1, 2, Checked.SIGNED, OLD.id),
        Stretch(3, 4, Checked.SIGNED, NEW.id),
    )


@pytest.mark.case("trust-8")
@pytest.mark.parametrize(
    "keys", [(None, None, NEW, NEW), (NEW, None, None, NEW), (NEW, NEW, None, None)]
)
def test_a_key_set_later_or_taken_away_breaks_nothing_and_the_unsigned_time_is_named(
    keys: tuple[Key | None, ...],
) -> None:
    report = verified(chain(*keys))
    first = keys.index(None) + 1
    assert report.verdict is Verdict.UNPROVED
    assert report.unproved == (Stretch(first, first + 1, Checked.UNSIGNED),)


@pytest.mark.case("trust-8")
def test_a_chain_that_was_rewritten_without_the_key_is_unproved_with_and_without_the_key() -> None:
    forged = chain(None, actions=["deploy", "approve"])
    assert verified(forged, BOTH).verdict is Verdict.UNPROVED
    assert verified(forged, Keys()).verdict is Verdict.UNPROVED


@pytest.mark.case("trust-8")
def test_what_was_signed_with_a_key_that_was_not_given_is_said_to_be_unchecked() -> None:
    report = verified(chain(OLD, OLD, NEW, NEW), Keys((NEW,)))
    assert report.unproved == (Stretch(1, 2, Checked.UNKNOWN_KEY, OLD.id),)
    assert report.verdict is Verdict.UNPROVED


def test_nobody_signs_in_the_name_of_a_key_that_they_do_not_have() -> None:
    forged = replace(seal(Entry(NOW, ANA, "deploy"), None, Key(b"a guess")), key=NEW.id)
    assert verified([forged]).broken == Break(1, Fault.CHANGED)


@pytest.mark.case("trust-8")
def test_a_tail_that_was_cut_off_is_found_by_a_head_that_was_kept() -> None:
    links = chain(NEW)
    report = verified(links[:2], heads=[head_of(links[3], key=NEW)])
    assert [each.agreement for each in report.compared] == [Agreement.CUT_OFF]
    assert report.verdict is Verdict.BROKEN


@pytest.mark.case("trust-8")
def test_a_past_that_was_written_anew_is_found_by_a_head_that_was_kept() -> None:
    head = head_of(chain(None)[2])
    report = verified(
        chain(None, actions=["deploy", "reject", "started", "rollback"]), heads=[head]
    )
    assert [each.agreement for each in report.compared] == [Agreement.REWRITTEN]
    assert report.verdict is Verdict.BROKEN


def test_a_head_that_agrees_says_up_to_where_nothing_is_missing() -> None:
    links = chain(NEW)
    report = verified(links, heads=[head_of(links[1], key=OLD), head_of(links[2], key=NEW)])
    assert report.verdict is Verdict.PROVED
    assert report.anchor == 3


def test_a_head_that_was_changed_is_found_by_its_signature() -> None:
    links = chain(NEW)
    report = verified(links, heads=[replace(head_of(links[3], key=NEW), n=3)])
    assert [each.agreement for each in report.compared] == [Agreement.FORGED]
    assert report.verdict is Verdict.BROKEN


@pytest.mark.case("trust-8")
def test_only_a_head_that_a_person_vouches_for_proves_what_is_unsigned() -> None:
    links = chain(None)
    kept = Head(4, links[3].hash)
    assert verified(links, heads=[head_of(links[3], key=NEW)]).verdict is Verdict.UNPROVED
    assert verified(links, heads=[replace(kept, is_given=True)]).verdict is Verdict.PROVED
    assert (
        verified(
            chain(OLD), Keys(), heads=[replace(kept, hash=chain(OLD)[3].hash, is_given=True)]
        ).verdict
        is Verdict.UNPROVED
    )


def test_what_a_restore_has_lost_is_told_from_what_somebody_took_away() -> None:
    lost = head_of(chain(NEW)[3], key=NEW, at=NOW)
    links = chain(NEW, actions=["deploy", RESTORED, "deploy", "started"])
    report = verified(links, heads=[lost])
    assert [each.agreement for each in report.compared] == [Agreement.ABANDONED]
    assert report.verdict is Verdict.UNPROVED
    later = replace(lost, at="2027-01-01T00:00:00.000000+00:00", key="", signature="")
    assert verified(links, heads=[later]).verdict is Verdict.BROKEN


@pytest.mark.parametrize(
    ("number", "late", "agreement"),
    [
        (1, 0, Agreement.HOLDS),
        (2, 0, Agreement.ABANDONED),
        (3, 0, Agreement.ABANDONED),
        (2, 1, Agreement.REWRITTEN),
    ],
)
def test_what_was_kept_up_to_the_restore_is_lost_by_it_from_its_own_entry_on(
    number: int, late: int, agreement: Agreement
) -> None:
    links = chain(NEW, actions=["deploy", RESTORED, "deploy", "started"])
    restored = datetime.fromisoformat(links[1].at)
    lost = head_of(chain(NEW)[number - 1], key=NEW, at=restored + timedelta(microseconds=late))
    assert [each.agreement for each in verified(links, heads=[lost]).compared] == [agreement]


def test_a_verification_goes_on_from_a_head_that_was_verified() -> None:
    links = chain(NEW)
    since = head_of(links[1], key=NEW)
    report = verified(links[1:], since=since)
    assert (report.since, report.verdict) == (2, Verdict.PROVED)
    forged = replace(since, hash="0" * 64, signature="")
    assert verified(links[1:], since=sign(forged, NOW, NEW)).verdict is Verdict.BROKEN
    assert verified([], since=since).verdict is Verdict.BROKEN


def test_a_verification_that_goes_on_compares_every_kept_head_from_there_on() -> None:
    links = chain(NEW)
    since = head_of(links[1], key=NEW)
    other = sign(Head(2, "0" * 64), NOW, NEW)
    assert verified(links[1:], since=since, heads=[since]).verdict is Verdict.PROVED
    assert verified(links[1:], since=since, heads=[other]).verdict is Verdict.BROKEN
    assert (
        verified(links[1:], since=since, heads=[sign(Head(1, "0" * 64), NOW, NEW)]).verdict
        is Verdict.PROVED
    )


def test_an_entry_comes_back_as_it_was_and_the_order_of_its_facts_does_not_matter() -> None:
    there = NOW.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    one = seal(Entry(there, ANA, "x", "shop-1", facts={"a": 1, "b": 2.5}), None, NEW)
    two = seal(Entry(NOW, ANA, "x", "shop-1", facts={"b": 2.5, "a": 1}), None, NEW)
    assert canonical(one) == canonical(two)
    assert entry_of(one) == Entry(NOW, ANA, "x", "shop-1", facts={"a": 1, "b": 2.5})


def test_entries_are_found_by_service_deployment_and_time() -> None:
    mine = seal(Entry(NOW, ANA, "deploy", "shop-1"), None, None)
    refused = seal(Entry(NOW, ANA, "deploy", facts={"command": {"service": "shop"}}), None, None)
    locked = seal(Entry(NOW, ANA, "lock", facts={"service": "shop"}), None, None)
    other = seal(Entry(NOW, ANA, "deploy", "shop-api-1"), None, None)
    links = [mine, refused, locked, other]
    assert [link for link in links if link in Wanted(service="shop")] == [mine, refused, locked]
    assert [link for link in links if link in Wanted(deployment="shop-api-1")] == [other]
    assert [
        link for link in links if link in Wanted(since=NOW, until=NOW + timedelta(seconds=1))
    ] == links
    assert [link for link in links if link in Wanted(until=NOW)] == []
    assert [link for link in links if link in Wanted(since=NOW + timedelta(microseconds=1))] == []


@pytest.mark.parametrize(
    "other",
    [{"n": 5}, {"hash": "0" * 64}, {"at": "2026-11-22T00:00:00.000000+00:00"}, {"key": OLD.id}],
)
def test_a_heads_signature_covers_each_of_its_fields(other: dict[str, Any]) -> None:
    signed = sign(Head(4, "f" * 64), NOW, NEW)
    assert is_signed(signed, NEW)
    assert not is_signed(signed, OLD)
    assert not is_signed(replace(signed, **other), NEW)


def test_a_heads_signature_is_none_of_an_entry_and_stays_what_it_was() -> None:
    signed = sign(Head(4, "f" * 64), NOW, NEW)
    message = json.dumps(
        {"at": signed.at, "hash": "f" * 64, "head": FORMAT, "key": NEW.id, "n": 4},
        separators=(",", ":"),
    )
    assert signed.signature == hmac.new(NEW.secret, message.encode(), sha256).hexdigest()


@pytest.mark.parametrize("agreement", Agreement)
def test_the_anchor_is_the_newest_kept_head_that_holds(agreement: Agreement) -> None:
    report = Report(
        1, None, compared=(Compared(Head(3, ""), Agreement.HOLDS), Compared(Head(7, ""), agreement))
    )
    assert report.anchor == (7 if agreement is Agreement.HOLDS else 3)
    assert Report(1, None).anchor == 0


def test_what_is_hashed_names_its_format_and_every_field_but_the_hash_itself() -> None:
    (link,) = chain(NEW, actions=["deploy"])
    assert json.loads(canonical(link)) == {
        each.name: getattr(link, each.name) for each in fields(Link) if each.name != "hash"
    }


@pytest.mark.parametrize("agreement", Agreement)
def test_what_an_alarm_names_is_the_first_head_that_the_log_contradicts(
    agreement: Agreement,
) -> None:
    heads = tuple(Compared(Head(n, "0" * 64), agreement) for n in (7, 5, 9))
    found = Report(1, Head(9, "0" * 64), compared=heads)
    is_wrong = agreement not in {Agreement.HOLDS, Agreement.ABANDONED}
    assert (found.contradicted, found.verdict is Verdict.BROKEN) == (
        heads[1] if is_wrong else None,
        is_wrong,
    )
