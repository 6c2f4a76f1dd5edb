"""Names and texts from a repository or a CI server: what becomes an input, a link
or a message is harmless.
"""

from __future__ import annotations

import pytest

from bot.domain import plain
from bot.domain.changes import Change, Changes
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage
from bot.ports.ci import CIRun, Quality, Resolved

COMMIT = "9f2c1e" + "0" * 34
HOSTILE = [
    "v9.1.0-$(touch${IFS}x)",
    "v1;id",
    "v1`id`",
    "v1 v2",
    "v1\nv2",
    "-v1",
    "v1..2",
    "v1\u202e1",
    "",
    "v" * 300,
    "v1|x",
    "v1&x",
    "a\0b",
]


@pytest.mark.case("trust-7")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_tag_that_could_not_have_been_typed_is_no_version(name: str) -> None:
    assert Resolved(COMMIT, name).version == COMMIT[:10]


@pytest.mark.case("trust-7")
@pytest.mark.parametrize(
    "name", ["v1.2.0", "web/v1.2.0", "2026.11.28", "feature/new-basket", "v1.0.0+build.5"]
)
def test_a_tag_that_could_have_been_typed_is_the_version(name: str) -> None:
    assert Resolved(COMMIT, name).version == name


@pytest.mark.case("trust-7")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\rtwo", "one two"),
        ("one\u2028two\u2029three", "one two three"),
        ("a\x1cb\x1db\x1eb\x85c", "a b b b c"),
        ("paid \u202etxt.exe", "paid txt.exe"),
        ("\ud800lone", "\ufffdlone"),
        ("no\u00a0break", "no break"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("👩\u200d💻 works", "👩\u200d💻 works"),
        ("  spaces  \t all over ", "spaces all over"),
    ],
)
def test_a_foreign_text_is_one_visible_line(text: str, shown: str) -> None:
    assert plain.line(text) == shown
    assert Change(COMMIT, text, text) == Change(COMMIT, shown, shown)
    assert Stage(text, RunState.RUNNING, sentence=text) == Stage(
        shown, RunState.RUNNING, sentence=shown
    )
    assert Quality(QualityState.RED, text).sentence == shown
    assert Changes(authors=(text, text), files=(text,)) == Changes(authors=(shown,), files=(shown,))


@pytest.mark.case("trust-7")
def test_a_foreign_text_without_an_end_is_cut() -> None:
    assert plain.line("x" * 10_000_000, 20) == "x" * 19 + "…"


@pytest.mark.case("trust-7")
@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "https://ci.example.com/run|fake",
        "https://ci.example.com/> <!channel>", "https://ci.example.com/a b",
        "https://ci.example.com/\nx", "https://ci.example.com/\u202e",
        "https://ci.example.com/\u00e9",
        "//ci.example.com", "ftp://ci.example.com", "https://" + "a" * 3000,
    ],
)  # fmt: skip
def test_an_address_that_is_no_plain_link_is_not_shown(address: str) -> None:
    assert CIRun("1", RunState.RUNNING, address).url == ""
    assert Quality(QualityState.GREEN, "fine", address).url == ""
    assert Changes(url=address).url == ""


@pytest.mark.case("trust-7")
@pytest.mark.parametrize(
    "address",
    [
        "https://ci.example.com/runs/1?x=1&y=%20#a",
        "http://127.0.0.1:8010/#/builders/1/builds/2",
        "http://[::1]:80/",
    ],
)
def test_a_plain_link_is_shown(address: str) -> None:
    assert CIRun("1", RunState.RUNNING, address).url == address


def test_a_control_sign_among_plain_letters_is_a_space() -> None:
    assert plain.line("a\x07b\x00c\td") == "a b c d"
    assert plain.line("é\x07b") == "é b"


def test_a_line_has_five_hundred_signs_at_most() -> None:
    assert plain.line("x" * 500) == "x" * 500
    assert plain.line("x" * 501) == "x" * 499 + "…"


@pytest.mark.parametrize(("kind", "longest"), [("name", 100), ("path", 4096)])
def test_what_is_made_of_a_foreign_name_or_path_has_an_end(kind: str, longest: int) -> None:
    for length in (longest, longest + 1):
        text = "x" * length
        made = (
            Changes(authors=(text,)).authors[0]
            if kind == "name"
            else Changes(files=(text,)).files[0]
        )
        assert made == (text if length == longest else "x" * (longest - 1) + "…")


def test_an_address_of_two_thousand_signs_is_shown_and_no_longer_one() -> None:
    begin = "https://ci.example.com/"
    assert plain.link(begin.ljust(2000, "x")) == begin.ljust(2000, "x")
    assert plain.link(begin.ljust(2001, "x")) == ""
