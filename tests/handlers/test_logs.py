"""What is logged is a JSON line without secrets, whoever logs it."""

from __future__ import annotations

import json
import subprocess
import sys

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
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["asked", "got … and …", "a task failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert lines[0]["url"] == "https://…@example.com/"
    assert "ValueError: … in a sentence" in lines[2]["exception"]
    assert not any(word in done.stderr for word in ("secret", "hunter2", "0123456789", "abc.def"))
