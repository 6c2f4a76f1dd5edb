"""The terminal as a service manager sees it: an exit code and what stands on standard error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.cli import main

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
def start(tmp_path: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Start:
    """Give a way to run a command with an environment of its own; it ends, and says why."""

    def ran(*command: str, **environment: str) -> Ended:
        usual = {
            "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "0123456789abcdef", "SLACK_API_URL": "http://127.0.0.1:9/api/",
            "GONOGO_CONFIG": str(catalog), "GONOGO_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/var/gonogo.db",
            "GONOGO_WORK_DIR": f"{tmp_path}/var", "GONOGO_LISTEN": "127.0.0.1:0",
        }  # fmt: skip
        for name, value in (usual | environment).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(command)
        return int(ended.value.code or 0), capfd.readouterr().err

    return ran
