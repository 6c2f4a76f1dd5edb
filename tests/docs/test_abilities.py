from __future__ import annotations

import pytest

from tests.docs.abilities import BESIDE, PROVIDERS, Proof, tables

CONTRACT = "What each promises"
TESTS = (
    Proof("test_contract", "test_a_tag_is_a_commit", "local"),
    Proof("test_contract", "test_a_tag_is_a_commit", "github"),
    Proof("test_faults", "test_a_clear_no_is_passed_on", "github"),
    Proof("test_local", "test_each_manual_gate_waits_for_its_own_release", "local"),
    Proof("test_github_runs", "test_a_gate_of_github_is_not_opened_in_its_place", "github"),
)


def cells(title: str, sentence: str, proofs: tuple[Proof, ...]) -> dict[str, str]:
    row = next(
        (row for row in tables(proofs)[title] if row[0] == sentence), ("", *[""] * len(PROVIDERS))
    )
    return dict(zip(PROVIDERS, row[1:], strict=True))


def test_a_provider_can_do_what_a_test_of_the_suite_is_run_for() -> None:
    found = cells(CONTRACT, "a tag is a commit", TESTS)
    assert (found["local"], found["github"], found["gitlab"]) == ("yes", "yes", "not shown")


def test_a_test_that_is_taken_away_takes_its_cell_and_its_row_along() -> None:
    assert cells(CONTRACT, "a tag is a commit", TESTS[1:])["local"] == "not shown"
    assert not any(cells(CONTRACT, "a tag is a commit", TESTS[2:]).values())


def test_what_stands_beside_the_suites_is_proved_by_a_test_either_way() -> None:
    sentence = "a gate of the pipeline is opened from the card"
    found = cells("Beside the suites", sentence, TESTS)
    assert (found["local"], found["github"], found["gitlab"]) == ("yes", "no", "not shown")
    assert set(cells("Beside the suites", sentence, TESTS[:3]).values()) == {"not shown"}


@pytest.mark.parametrize("row", BESIDE, ids=lambda row: str(row.sentence))
def test_each_provider_has_one_answer(row: object) -> None:
    known = next(each for each in BESIDE if each is row)
    assert sorted((*known.yes, *known.no)) == sorted(PROVIDERS)
