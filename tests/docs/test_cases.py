from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs import cases
from tests.docs.kinds import LATER, OTHERWISE

if TYPE_CHECKING:
    from pathlib import Path


def test_every_line_has_a_test_or_a_reason() -> None:
    assert cases.unanswered(cases.collected()) == []


def test_no_marker_and_no_reason_names_a_line_that_does_not_exist() -> None:
    assert sorted((set(cases.collected()) | LATER | set(OTHERWISE)) - set(cases.names())) == []


def test_markers_are_read_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "pytestmark = [pytest.mark.case('a-1'), pytest.mark.slow]\n"
        "@pytest.mark.case('b-2', 'b-3')\n"
        "async def test_by_itself() -> None: ...\n"
        "@pytest.mark.case('c-4')\n"
        "class TestThese:\n"
        "    @pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.case('d-5'))])\n"
        "    def test_of_a_class(self, x: int) -> None: ...\n"
        "    def helper(self) -> None: ...\n",
        encoding="utf-8",
    )
    found = {
        name: [each.sentence for each in held] for name, held in cases.collected(tmp_path).items()
    }
    both, alone, method = ["by itself", "of a class"], ["by itself"], ["of a class"]
    assert found == {"a-1": both, "b-2": alone, "b-3": alone, "c-4": method, "d-5": method}


def test_a_line_that_lost_its_test_is_missed() -> None:
    held = dict(cases.collected())
    del held["races-1"]
    assert "races-1" in cases.unanswered(held)
