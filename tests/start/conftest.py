"""The terminal as a service manager sees it: an exit code and what stands on standard error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CATALOG = """\
version: 1
team: T0SANDBOX
channel: C0DEPLOYS
roles: {{developer: {{people: [U0ANA]}}}}
permissions: {{deploy: [developer], view: [developer]}}
services:
  shop:
    ci: {{provider: local, repository: {repository}}}
    metrics: {{provider: none}}
    on_call: {{provider: none}}
    environments: {{staging: {{tier: development}}}}
"""

Ended = tuple[int, str]
Start = Callable[..., Ended]


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Write a gonogo.yaml that is good."""
    path = tmp_path / "gonogo.yaml"
    path.write_text(CATALOG.format(repository=tmp_path), encoding="utf-8")
    return path


@pytest.fixture
def start(tmp_path: Path, catalog: Path) -> Start:
    """Give a way to run a command with an environment of its own; it ends, and says why."""

    def ran(*command: str, **environment: str) -> Ended:
        usual = {
            "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "0123456789abcdef",
            "SLACK_API_URL": "http://127.0.0.1:9/api/",
            "GONOGO_CONFIG": str(catalog),
            "GONOGO_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/var/gonogo.db",
            "GONOGO_WORK_DIR": f"{tmp_path}/var",
            "GONOGO_LISTEN": "127.0.0.1:0", "PATH": os.environ["PATH"],
        }  # fmt: skip
        (tmp_path / "var").mkdir(exist_ok=True)
        whole = usual | environment
        done = subprocess.run(
            [sys.executable, "-m", "bot", *command],
            env=whole,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=60,
        )
        return done.returncode, done.stderr

    return ran
