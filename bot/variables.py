"""The environment variables: what each means, what it is unset, and whether it is a secret."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One variable as the reference prints it."""

    name: str
    default: str
    sentence: str
    secret: bool = False


SETTINGS_DOCS: tuple[SettingDoc, ...] = (
    SettingDoc(
        "SLACK_BOT_TOKEN", "", "The bot token (`xoxb-…`). Needed to talk to Slack.", secret=True
    ),
    SettingDoc(
        "SLACK_SIGNING_SECRET",
        "",
        "Checks that requests come from Slack. Needed unless Socket Mode is used.",
        secret=True,
    ),
    SettingDoc(
        "SLACK_SIGNING_SECRET_PREVIOUS",
        "",
        "The secret before, also accepted while you rotate it.",
        secret=True,
    ),
    SettingDoc(
        "SLACK_APP_TOKEN",
        "",
        "The app-level token (`xapp-…`). Set it for Socket Mode; without it the bot serves HTTP.",
        secret=True,
    ),
    SettingDoc(
        "SLACK_API_URL",
        "https://slack.com/api/",
        "Base address of Slack's Web API; point it at an emulator to try things.",
    ),
    SettingDoc(
        "SLACK_APP_ID",
        "",
        (
            "The app's id (`A…`); without it Slack is asked at the start. Requests for "
            "any other app are refused."
        ),
    ),
    SettingDoc("GONOGO_CONFIG", "gonogo.yaml", "The catalog of services, environments and people."),
    SettingDoc(
        "GONOGO_DATABASE_URL",
        "sqlite+aiosqlite:///var/gonogo.db",
        "The database; one process per file.",
    ),
    SettingDoc(
        "GONOGO_LISTEN",
        "0.0.0.0:3000",
        "Host and port of the web server (health, metrics, webhooks, Slack over HTTP).",
    ),
    SettingDoc(
        "GONOGO_CONNECTIONS_PER_ADDRESS",
        "64",
        "How many connections one address may have open; a new one then takes the place of its "
        "oldest that is not being served. 0 for no "
        "cap, where everything comes from the address of one proxy.",
    ),
    SettingDoc(
        "GONOGO_AUDIT_KEY",
        "",
        "Key of the audit chain; with it nobody can rewrite the log unseen. 16 characters or more.",
        secret=True,
    ),
    SettingDoc(
        "GONOGO_AUDIT_KEYS_PREVIOUS",
        "",
        (
            "The keys with which older entries were signed, separated by spaces or "
            "lines. They verify only."
        ),
        secret=True,
    ),
    SettingDoc(
        "GONOGO_AUDIT_HEADS",
        "",
        (
            "A file to which the signed head of the audit log is appended every "
            "day; keep copies elsewhere."
        ),
    ),
    SettingDoc(
        "GONOGO_AUDIT_CHANNEL",
        "",
        (
            "The channel (`C…`) in which the head is posted every day, and in "
            "which a broken log is told."
        ),
    ),
    SettingDoc("GONOGO_LOG_LEVEL", "info", "`debug`, `info`, `warning` or `error`."),
    SettingDoc("GONOGO_WORK_DIR", "var", "Where worktrees and logs of the embedded CI live."),
    SettingDoc(
        "GONOGO_POLL_SECONDS",
        "5",
        "How often running work is looked at when no notice comes; gates and metrics three times "
        "less. While a run does not get on, the "
        "pauses double, up to 30 seconds.",
    ),
    SettingDoc(
        "GONOGO_CA_FILE",
        "",
        (
            "Certificate authorities of your own (PEM), trusted beside the system's by every call: "
            "Slack, CI, metrics, on-call."
        ),
    ),
    SettingDoc(
        "GONOGO_TEMPLATES",
        "",
        "A folder with templates of your own; see the reference of templates.",
    ),
)
"""Every variable, for ``docs/reference/settings.md``."""
