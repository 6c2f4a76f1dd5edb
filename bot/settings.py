"""The environment: addresses and secrets. Everything else stands in gonogo.yaml.

Each secret may also be a file: ``SLACK_BOT_TOKEN_FILE=/run/secrets/bot-token``. Mistakes name the
variable and the remedy, never the value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.domain.audit import Key, Keys
from bot.domain.errors import ConfigurationError
from bot.domain.near import did_you_mean, near
from bot.variables import SETTINGS_DOCS

LOG_LEVELS = ("debug", "info", "warning", "error")
SHORTEST_SECRET = 16
ALLOWED = {
    "SLACK_APP_ID": "is no app id; it begins with A and stands under Basic Information",
    "GONOGO_AUDIT_CHANNEL": (
        "is no channel id; it begins with C and stands at the end of the channel's details"
    ),
    "GONOGO_POLL_SECONDS": "is no such number of seconds; write one of more than 0, and at most 60",
    "GONOGO_CONNECTIONS_PER_ADDRESS": (
        "is no such number; write a whole one from 0, for no cap, to 10000"
    ),
}
"""What is said of a value that pydantic refuses."""
_WHITE = "contains spaces or line breaks; copy it again, alone"
_OURS = ("GONOGO_", "SLACK_")
_OF_KUBERNETES = re.compile(r"GONOGO_(SERVICE_(HOST|PORT\w*)|PORT(_\w+)?)")
"""What Kubernetes tells every container about a service that is called gonogo."""
_PRINTABLE = range(0x21, 0x7F)


class Settings(BaseSettings):
    """What the environment says. Build it with ``Settings.read()``, which
    raises ConfigurationError.
    """

    model_config = SettingsConfigDict(
        extra="ignore",
        frozen=True,
        case_sensitive=False,
        env_ignore_empty=False,
        hide_input_in_errors=True,
    )

    slack_bot_token: SecretStr = SecretStr("")
    slack_signing_secret: SecretStr = SecretStr("")
    slack_signing_secret_previous: SecretStr = SecretStr("")
    slack_app_token: SecretStr = SecretStr("")
    slack_api_url: str = "https://slack.com/api/"
    slack_app_id: str = Field(default="", pattern=r"^(A[A-Z0-9]+)?$")
    gonogo_config: Path = Path("gonogo.yaml")
    gonogo_database_url: str = "sqlite+aiosqlite:///var/gonogo.db"
    gonogo_listen: str = "0.0.0.0:3000"
    gonogo_connections_per_address: int = Field(default=64, ge=0, le=10_000)
    gonogo_audit_key: SecretStr = SecretStr("")
    gonogo_audit_keys_previous: SecretStr = SecretStr("")
    gonogo_audit_heads: Path | None = None
    gonogo_audit_channel: str = Field(default="", pattern=r"^([CG][A-Z0-9]+)?$")
    gonogo_log_level: str = "info"
    gonogo_work_dir: Path = Path("var")
    gonogo_templates: Path | None = None
    gonogo_ca_file: Path | None = None
    provider_secrets: Mapping[str, SecretStr] = Field(default_factory=dict)
    """The secrets of the providers that are there, by the names of their settings."""
    unread: tuple[str, ...] = ()
    """Sentences about variables that look like ours and are read by nobody."""
    gonogo_poll_seconds: float = Field(default=5.0, gt=0, le=60)

    @classmethod
    def read(
        cls, environment: Mapping[str, str] | None = None, *, secrets: Iterable[str] = ()
    ) -> Self:
        """Read the environment (by default the process's own) and the files that it names;
        ``secrets`` are those of the providers.

        Raises ConfigurationError with every problem.
        """
        environment = os.environ if environment is None else environment
        secrets = tuple(secrets)
        values, problems = _values(environment)
        values["provider_secrets"] = _provider_secrets(environment, secrets, problems)
        misspelt, values["unread"] = _unread(environment, secrets)
        problems += misspelt
        try:
            settings = cls(**values)
        except ValidationError as error:
            problems += [
                _sentence(each) for each in error.errors(include_input=False, include_url=False)
            ]
            raise ConfigurationError("\n".join(problems)) from None
        if problems:
            raise ConfigurationError("\n".join(problems))
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings passes all of them by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from ``read`` alone, so that nothing is read behind the caller's back."""
        return (init_settings,)

    def secret(self, name: str) -> str:
        """Give a provider's secret, or "" when it is not set."""
        found = self.provider_secrets.get(name)
        return found.get_secret_value() if found else ""

    def require_slack(self) -> None:
        """Check that the bot can talk to Slack. Raises ConfigurationError naming each
        variable that is missing.
        """
        missing = [] if self.slack_bot_token.get_secret_value() else [_missing("SLACK_BOT_TOKEN")]
        if not self.slack_signing_secret.get_secret_value() and not self.is_socket_mode:
            missing.append(_missing("SLACK_SIGNING_SECRET"))
        if missing:
            raise ConfigurationError("\n".join(missing))

    @property
    def is_socket_mode(self) -> bool:
        """Tell whether Slack is reached through a WebSocket instead of HTTP requests."""
        return bool(self.slack_app_token.get_secret_value())

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """The secrets with which a request may be signed: the current one, and during a
        rotation the one before.
        """
        both = (self.slack_signing_secret, self.slack_signing_secret_previous)
        return tuple(secret.get_secret_value() for secret in both if secret.get_secret_value())

    @property
    def audit_keys(self) -> Keys:
        """The keys of the audit log: the one that signs, and those that signed before it."""
        both = (self.gonogo_audit_key, self.gonogo_audit_keys_previous)
        return Keys(
            tuple(Key(key.encode()) for secret in both for key in secret.get_secret_value().split())
        )

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.gonogo_listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.gonogo_listen.rpartition(":")[2])

    @field_validator("slack_bot_token")
    @classmethod
    def _bot_token(cls, value: SecretStr) -> SecretStr:
        return _token(
            value, "xoxb-", "the bot token; OAuth & Permissions shows it after the app is installed"
        )

    @field_validator("slack_app_token")
    @classmethod
    def _app_token(cls, value: SecretStr) -> SecretStr:
        return _token(
            value, "xapp-", "the app-level token with connections:write; Basic Information shows it"
        )

    @field_validator("slack_signing_secret", "slack_signing_secret_previous", "gonogo_audit_key")
    @classmethod
    def _secret(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text and not _is_clean(text):
            raise ValueError(_WHITE)
        if text and len(text) < SHORTEST_SECRET:
            raise ValueError(f"is too short; a secret has {SHORTEST_SECRET} characters or more")
        return value

    @field_validator("gonogo_audit_keys_previous")
    @classmethod
    def _keys(cls, value: SecretStr) -> SecretStr:
        if any(
            len(key) < SHORTEST_SECRET or not _is_clean(key)
            for key in value.get_secret_value().split()
        ):
            raise ValueError(
                "holds a key that is too short or not plain; a key has "
                f"{SHORTEST_SECRET} characters or more"
            )
        return value

    @field_validator("slack_api_url")
    @classmethod
    def _api_url(cls, value: str) -> str:
        if (
            urlsplit(value).scheme not in {"http", "https"}
            or not urlsplit(value).hostname
            or not _is_clean(value)
        ):
            raise ValueError("is no web address; write it as https://slack.com/api/")
        return value if value.endswith("/") else f"{value}/"

    @field_validator("gonogo_listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) not in range(65536):
            raise ValueError("is no address; write HOST:PORT, for example 0.0.0.0:3000")
        return value

    @field_validator("gonogo_database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        if not value.startswith("sqlite+aiosqlite:///") or not value.isprintable():
            raise ValueError(
                "is no database that this version knows; write sqlite+aiosqlite:///PATH"
            )
        return value

    @field_validator("gonogo_log_level")
    @classmethod
    def _log_level(cls, value: str) -> str:
        if value.lower() not in LOG_LEVELS:
            raise ValueError(f"is no log level; write one of {', '.join(LOG_LEVELS)}")
        return value.lower()


def _values(environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Collect our variables; a secret's file is read here, the line break
    at its end does not count.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for doc in SETTINGS_DOCS:
        try:
            value = (
                _secret_of(doc.name, environment)
                if doc.secret
                else environment.get(doc.name) or None
            )
        except ConfigurationError as error:
            problems.append(str(error))
            continue
        if value is not None:
            values[doc.name.lower()] = value
    return values, problems


def _unread(
    environment: Mapping[str, str], secrets: Iterable[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Find what looks like a setting and is none: of our own names one that is nearly right is a
    mistake, the rest is worth a word.

    Names with SLACK_ may be somebody else's.
    """
    secret = [doc.name for doc in SETTINGS_DOCS if doc.secret] + list(secrets)
    known = [*(doc.name for doc in SETTINGS_DOCS), *secrets, *(f"{name}_FILE" for name in secret)]
    misspelt: list[str] = []
    others: list[str] = []
    for name in sorted(environment):
        if name in known or not name.startswith(_OURS) or _OF_KUBERNETES.fullmatch(name):
            continue
        meant = near(name, known)
        if meant:
            (misspelt if name.startswith("GONOGO_") else others).append(
                f"{name}: is no setting. {did_you_mean(meant)}"
            )
        elif name.startswith("GONOGO_"):
            others.append(f"{name}: is no setting; nothing reads it.")
    return misspelt, tuple(others)


def _provider_secrets(
    environment: Mapping[str, str], names: Iterable[str], problems: list[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        try:
            value = _secret_of(name, environment)
        except ConfigurationError as error:
            problems.append(str(error))
            continue
        if value is not None:
            found[name] = value
    return found


def _secret_of(name: str, environment: Mapping[str, str]) -> str | None:
    file = environment.get(f"{name}_FILE", "")
    if file and name in environment:
        raise ConfigurationError(f"{name}: is set together with {name}_FILE; set one of the two.")
    value = _read(name, file) if file else environment.get(name)
    if value is not None and not value.strip():
        raise ConfigurationError(f"{name}: is set and empty; give it a value, or do not set it.")
    return value


def _read(name: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(
            f"{name}_FILE: the file cannot be read ({why}); check the path and who may read it."
        ) from None


def _token(value: SecretStr, prefix: str, what: str) -> SecretStr:
    text = value.get_secret_value()
    if text and not _is_clean(text):
        raise ValueError(_WHITE)
    if text and not text.startswith(prefix):
        raise ValueError(f"does not begin with {prefix}: set {what}")
    return value


def _is_clean(text: str) -> bool:
    return all(ord(sign) in _PRINTABLE for sign in text)


def _missing(name: str) -> str:
    return (
        f"{name}: is missing; set it, or {name}_FILE to a file that holds it. `gonogo manifest` "
        "prints the app that Slack shows it for."
    )


def _sentence(problem: Any) -> str:
    """Name the variable and the remedy; pydantic's own words would show the value."""
    name = str(problem["loc"][0]).upper()
    if problem["type"] == "value_error":
        return f"{name}: {problem['ctx']['error']}."
    return f"{name}: {ALLOWED[name]}."
