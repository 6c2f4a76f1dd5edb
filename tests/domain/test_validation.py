"""What a word may be: refs, reasons and durations, by tables and for every text."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import NotUnderstood
from bot.domain.validation import (
    KEYWORDS,
    LONGEST_LOCK,
    LONGEST_REASON,
    LONGEST_REF,
    NAME,
    PREPOSITIONS,
    RESERVED_NAMES,
    check_reason,
    check_ref,
    duration,
    is_ref,
    shown,
)

REF_SIGNS = st.text("aZ09._/@+-~^:?*[\\ $;'\"", max_size=12)
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    "ref",
    [
        "v1.2.0", "1.0", "main", "release/2026-11", "@acme/web@1.2.0", "web@1.2.0",
        "v1.0.0+build.5", "feature_x", "a", "Z", "0" * 40, "a-", "a+", "a@", "v1.0.0-rc.1",
        "x/y/z", "lock", "a.lockx", "latest", "previous",
    ],
)  # fmt: skip
def test_what_people_call_versions_is_a_ref(ref: str) -> None:
    assert is_ref(ref)
    assert check_ref(ref) is ref


@pytest.mark.case("trust-7")
@pytest.mark.parametrize(
    ("ref", "why"),
    [
        ("", "nothing"),
        ("-x", "an option of git"),
        ("--upload-pack=x", "an option of git"),
        ("a/-x", "an option behind a slash"),
        (".hidden", "a hidden file"),
        ("a/.b", "a hidden file behind a slash"),
        ("a..b", "a span of commits"),
        ("a//b", "no path"),
        ("a@@b", "git's own notation"),
        ("a/", "a folder"),
        ("a.", "the end of a sentence"),
        ("/a", "a path of the machine"),
        ("a.lock", "git's own lock"),
        ("a.lock/b", "git's own lock before a slash"),
        ("@a", "a scope without a name"),
        ("@/a", "a scope of nothing"),
        ("HEAD~1", "another commit"),
        ("HEAD^", "another commit"),
        ("a:b", "a file in a commit"),
        ("a b", "two words"),
        ("a\nb", "two lines"),
        ("a\n", "a line's end"),
        ("$(id)", "a command"),
        ("é", "a sign that looks like another"),
    ],
)
def test_what_git_or_a_shell_could_read_differently_is_no_ref(ref: str, why: str) -> None:
    assert not is_ref(ref), why
    with pytest.raises(NotUnderstood, match="cannot be a tag, branch or commit here"):
        check_ref(ref)


def test_a_ref_has_two_hundred_signs_at_most() -> None:
    assert is_ref("a" * LONGEST_REF)
    assert not is_ref("a" * (LONGEST_REF + 1))


@pytest.mark.parametrize("word", sorted(KEYWORDS))
def test_a_word_that_a_sentence_is_built_with_is_no_ref_however_it_is_written(word: str) -> None:
    assert not any(is_ref(each) for each in (word, word.upper(), word.title()))
    assert is_ref(f"{word}1")


def test_places_are_named_with_three_prepositions_and_all_stands_for_everything() -> None:
    assert {"to", "in", "on"} == PREPOSITIONS
    assert PREPOSITIONS < KEYWORDS
    assert "all" in RESERVED_NAMES
    assert "lead" not in RESERVED_NAMES


@given(REF_SIGNS)
def test_a_ref_is_never_an_option_a_path_upwards_or_more_than_one_word(ref: str) -> None:
    if is_ref(ref):
        assert ref.isascii()
        assert len(ref.split()) == 1
        assert not ref.startswith(("-", "/", "."))
        assert not set(ref) & set("~^:?*[\\ $;'\"")
        assert ".." not in ref


@pytest.mark.parametrize(
    ("name", "is_name"),
    [
        ("shop", True), ("a", True), ("0", True), ("my-shop_2.x", True), ("a" * 63, True),
        ("a" * 64, False), ("", False), ("-a", False), (".a", False), ("_a", False),
        ("Shop", False), ("a b", False), ("a/b", False), ("a\n", False), ("é", False),
    ],
)  # fmt: skip
def test_a_name_of_ours_is_small_plain_and_short(name: str, *, is_name: bool) -> None:
    assert bool(NAME.fullmatch(name)) is is_name


@pytest.mark.case("trust-7")
@pytest.mark.parametrize("sign", [*TURNING, "\0", "\n", "\t", "\x1b", "\x7f", "\x85", "\ud800"])
def test_a_reason_holds_nothing_that_is_invisible_or_turns_text_around(sign: str) -> None:
    for reason in (sign, f"errors {sign}rise", f"errors rise{sign}"):
        with pytest.raises(NotUnderstood) as refused:
            check_reason(reason)
        assert f"(U+{ord(sign):04X})" in str(refused.value)


@given(st.text(max_size=60))
def test_a_reason_is_taken_as_it_is_or_refused(reason: str) -> None:
    is_bad = any(sign in TURNING or unicodedata.category(sign) in {"Cc", "Cs"} for sign in reason)
    if is_bad:
        with pytest.raises(NotUnderstood) as refused:
            check_reason(reason)
        assert str(refused.value).isprintable()
    else:
        assert check_reason(reason) == reason


def test_a_reason_that_is_too_long_says_how_long_it_is() -> None:
    assert check_reason("x" * LONGEST_REASON) == "x" * LONGEST_REASON
    with pytest.raises(NotUnderstood, match="this one has 1,500"):
        check_reason("x" * 1500)


@given(st.text(max_size=80), st.integers(1, 40))
def test_a_foreign_word_in_a_sentence_is_visible_and_short(word: str, longest: int) -> None:
    said = shown(word, longest)
    assert said.isprintable()
    assert len(said) <= longest + 1
    assert (said == word) == (word.isprintable() and len(word) <= longest)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1m", timedelta(minutes=1)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("1h30m", timedelta(minutes=90)),
        ("1d 2h 3m", timedelta(days=1, hours=2, minutes=3)),
        ("30M", timedelta(minutes=30)),
        ("30m1h", timedelta(minutes=90)),
        ("90d", timedelta(days=90)),
        ("2160h", timedelta(days=90)),
        ("0d1m", timedelta(minutes=1)),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, found: timedelta) -> None:
    assert duration(text) == found


@pytest.mark.parametrize(
    "text",
    ["", "m", "30", "30s", "-30m", "1.5h", "1h-30m", "h1", "1234567m", "30 minutes", "٣h", "3h!"],
)
def test_what_is_no_duration_is_refused_with_how_one_is_written(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        duration(text)
    assert "is no duration. Write 30m, 2h, 1d or 1h30m." in str(refused.value)


@pytest.mark.parametrize("text", ["0m", "0d0h0m", "91d", "90d1m", "999999d"])
def test_a_duration_of_nothing_or_beyond_ninety_days_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood, match="A duration is between 1m and 90d"):
        duration(text)


@settings(max_examples=50)
@given(st.integers(0, 90), st.integers(0, 23), st.integers(0, 59))
def test_a_duration_that_is_written_out_is_read_back(days: int, hours: int, minutes: int) -> None:
    meant = timedelta(days=days, hours=hours, minutes=minutes)
    text = f"{days}d{hours}h{minutes}m"
    if timedelta(0) < meant <= LONGEST_LOCK:
        assert duration(text) == duration(re.sub("([dhm])", r"\1 ", text)) == meant
    else:
        with pytest.raises(NotUnderstood):
            duration(text)
