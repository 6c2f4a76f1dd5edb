from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.errors import ConfigurationError
from bot.settings import Settings
from bot.variables import SETTINGS_DOCS

CANARY = "s3cr3t-canary-0123456789"


def test_without_anything_set_the_defaults_hold() -> None:
    settings = Settings.read({})
    assert (settings.host, settings.port) == ("0.0.0.0", 3000)
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.gonogo_database_url == "sqlite+aiosqlite:///var/gonogo.db"
    assert settings.signing_secrets == ()
    assert settings.is_socket_mode is False


def test_what_is_set_is_read() -> None:
    settings = Settings.read(
        {
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_APP_TOKEN": "xapp-1",
            "SLACK_SIGNING_SECRET": CANARY,
            "SLACK_SIGNING_SECRET_PREVIOUS": CANARY[::-1],
            "SLACK_API_URL": "http://127.0.0.1:1/api",
            "GONOGO_LISTEN": "[::1]:8080",
            "GONOGO_LOG_LEVEL": "DEBUG",
            "GONOGO_CONFIG": "",
            "HOME": "/ignored",
        }
    )
    settings.require_slack()
    assert settings.slack_bot_token.get_secret_value() == "xoxb-1"
    assert settings.signing_secrets == (CANARY, CANARY[::-1])
    assert (settings.slack_api_url, settings.host, settings.port) == (
        "http://127.0.0.1:1/api/",
        "::1",
        8080,
    )
    assert (settings.gonogo_log_level, settings.gonogo_config) == ("debug", Path("gonogo.yaml"))
    assert settings.is_socket_mode is True


def test_a_secret_can_be_a_file_and_its_last_line_break_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("xoxb-2\r\n", encoding="utf-8")
    assert (
        Settings.read({"SLACK_BOT_TOKEN_FILE": str(file)}).slack_bot_token.get_secret_value()
        == "xoxb-2"
    )


MISTAKES = {
    "SLACK_BOT_TOKEN": [
        f"xoxp-{CANARY}",
        f" xoxb-{CANARY}",
        f"xoxb-{CANARY}\n",
        f"xoxb-{CANARY}é",
        " ",
        "",
    ],
    "SLACK_APP_TOKEN": [f"xoxb-{CANARY}", f"xapp-{CANARY} "],
    "SLACK_SIGNING_SECRET": ["", "  ", "\n", f"{CANARY}\n", f"a {CANARY}", "short"],
    "SLACK_SIGNING_SECRET_PREVIOUS": ["", "short"],
    "GONOGO_AUDIT_KEY": ["short", f"{CANARY} "],
    "SLACK_API_URL": [
        "slack.com/api",
        "ftp://slack.com/",
        "https:///api",
        "https://slack.com/ api",
    ],
    "SLACK_APP_ID": ["B1", "a1"],
    "GONOGO_LISTEN": ["3000", "localhost", "localhost:x", "localhost:99999", ":3000"],
    "GONOGO_DATABASE_URL": ["gonogo.db", "postgresql://x", "sqlite:///x"],
    "GONOGO_LOG_LEVEL": ["loud"],
    "GONOGO_AUDIT_CHANNEL": ["audit", "c1"],
    "GONOGO_POLL_SECONDS": ["0", "-1", "61", "nan", "inf", "often"],
    "GONOGO_CONNECTIONS_PER_ADDRESS": ["-1", "10001", "1.5", "many"],
}
ALLOWED = {
    "SLACK_APP_ID": "it begins with A",
    "GONOGO_AUDIT_CHANNEL": "it begins with C",
    "GONOGO_POLL_SECONDS": "write one of more than 0, and at most 60",
    "GONOGO_CONNECTIONS_PER_ADDRESS": "write a whole one from 0, for no cap, to 10000",
    "GONOGO_LOG_LEVEL": "write one of debug, info, warning, error",
    "GONOGO_DATABASE_URL": "write sqlite+aiosqlite:///PATH",
    "GONOGO_LISTEN": "write HOST:PORT",
    "SLACK_API_URL": "write it as https://slack.com/api/",
}
"""What a refusal names as allowed; a secret's says it in one of several ways."""


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in MISTAKES.items() for value in values]
)
def test_a_mistake_names_the_variable_and_never_the_value(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Settings.read({name: value})
    assert str(error.value).startswith(f"{name}: ")
    assert str(error.value).endswith(".")
    assert ALLOWED.get(name, "") in str(error.value)
    assert CANARY not in str(error.value)
    assert error.value.__cause__ is None


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        Settings.read(
            {
                "SLACK_BOT_TOKEN": "xoxb-1",
                "SLACK_BOT_TOKEN_FILE": "anywhere",
                "SLACK_APP_TOKEN_FILE": str(tmp_path / "nothing"),
                "SLACK_SIGNING_SECRET": "short",
                "GONOGO_LISTEN": "x",
            }
        )
    assert sorted(line.partition(":")[0] for line in str(error.value).splitlines()) == [
        "GONOGO_LISTEN", "SLACK_APP_TOKEN_FILE", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET",
    ]  # fmt: skip


def test_a_secrets_file_must_hold_something_that_is_text(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="SLACK_SIGNING_SECRET: is set and empty"):
        Settings.read({"SLACK_SIGNING_SECRET_FILE": str(empty)})
    with pytest.raises(
        ConfigurationError,
        match="SLACK_SIGNING_SECRET_FILE: the file cannot be read \\(it is not text\\)",
    ):
        Settings.read({"SLACK_SIGNING_SECRET_FILE": str(binary)})


def test_the_bot_does_not_start_without_its_secrets() -> None:
    with pytest.raises(ConfigurationError) as error:
        Settings.read({}).require_slack()
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
    ]
    Settings.read({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}).require_slack()


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    secrets = {doc.name: CANARY for doc in SETTINGS_DOCS if doc.secret and "TOKEN" not in doc.name}
    settings = Settings.read(
        {**secrets, "SLACK_BOT_TOKEN": f"xoxb-{CANARY}", "SLACK_APP_TOKEN": f"xapp-{CANARY}"}
    )
    assert (
        CANARY
        not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    )


def test_every_setting_is_described_and_every_description_is_true() -> None:
    assert {doc.name.lower() for doc in SETTINGS_DOCS} | {"provider_secrets", "unread"} == set(
        Settings.model_fields
    )
    defaults = Settings.read({})
    for doc in SETTINGS_DOCS:
        if not doc.secret:
            value = getattr(defaults, doc.name.lower())
            assert (f"{value:g}" if isinstance(value, float) else str(value or "")) == doc.default
