"""What is logged is a JSON line without secrets, whoever logs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bot.logs import Calm

PROGRAM = """
import logging, structlog
from bot.logs import set_up_logs
set_up_logs("info")
structlog.get_logger("ours").info("asked", token="xoxb-1-secret", url="https://ana:hunter2@example.com/", said="Bearer abc.def")
structlog.get_logger("ours").debug("too quiet")
logging.getLogger("aiohttp.server").warning("got %s and %s", "ghp_0123456789secret", "glpat-0123456789")
try:
    raise ValueError("github_pat_secret in a sentence")
except ValueError:
    logging.getLogger("asyncio").exception("a task failed")
logging.getLogger("slack_bolt").info("a whole body")
"""


def test_every_line_is_json_and_holds_no_secret() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["asked", "got … and …", "a task failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert lines[0]["url"] == "https://…@example.com/"
    assert "ValueError: … in a sentence" in lines[2]["exception"]
    assert not any(word in done.stderr for word in ("secret", "hunter2", "0123456789", "abc.def"))


@pytest.mark.case("trust-1")
def test_a_fault_that_comes_again_and_again_does_not_fill_the_disk_with_words() -> None:
    now = 0.0
    calm = Calm(lambda: now)
    written = []
    for _ in range(35_000):
        now += 0.001
        left_out = calm.admit("socket.accept() out of system resource")
        if left_out is not None:
            written.append(left_out)
    assert len(written) <= 20 + 35
    assert sum(written) + len(written) > 34_000
    assert calm.admit("something else") == 0


def test_kinds_that_strangers_make_up_take_no_memory() -> None:
    calm = Calm()
    for number in range(10_000):
        calm.admit(f"kind {number}")
    assert len(calm._kinds) <= 500
