"""The terminal: ``gonogo run``, ``demo``, ``check-config``, ``manifest``, ``schema``, ``doctor``,
``adopt``, ``audit``, ``backup``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.errors import ConfigurationError, GonogoError, SystemUnavailable
from bot.domain.faults import of_system

if TYPE_CHECKING:
    from bot.settings import Settings

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse gives it no other name

CONFIGURATION_EXIT = 78
"""EX_CONFIG of sysexits.h: start again after the configuration was mended, not before."""
UNAVAILABLE_EXIT = 75
"""EX_TEMPFAIL of sysexits.h: what was missing may be there at the next start."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 when it worked, 78 for what only a person can mend, 75 for what may
    pass, 1 for anything else.
    """
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options)
    except GonogoError as error:
        raise SystemExit(_said(error)) from None
    except BrokenPipeError:
        # whoever read has gone; nothing is left to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise SystemExit(
            _said(of_system(error, f"The machine refuses{where}", "Mend that, then start again."))
        ) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(code)


def _said(error: GonogoError) -> int:
    """Say what is wrong, and give the exit code that a service manager understands."""
    sys.stderr.write(f"{error}\n")
    if isinstance(error, ConfigurationError):
        return CONFIGURATION_EXIT
    return UNAVAILABLE_EXIT if isinstance(error, SystemUnavailable) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gonogo", description="The Slack deployment bot that teams trust at 2 a.m."
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    _verb(verbs, "run", _run, "run the bot")
    _try_out(verbs)
    _configure(verbs)
    _verb(verbs, "schema", _schema, "print the JSON Schema of gonogo.yaml, for editors")
    adopt = _verb(
        verbs,
        "adopt",
        _adopt,
        "record what is live already, so that there is a version to go back to",
    )
    for name in ("service", "ref", "environment"):
        adopt.add_argument(name)
    _verb(
        verbs,
        "doctor",
        _doctor,
        (
            "examine Slack and every provider live: tokens, scopes, workflows, clocks; "
            "starts and changes nothing"
        ),
    )
    _audit(verbs)
    _keep_copy(verbs)
    return parser


def _try_out(verbs: Verbs) -> None:
    demo = _verb(verbs, "demo", _demo, "run the whole product in your browser, without any account")
    demo.add_argument(
        "--play", action="store_true", help="play the story without a person and exit"
    )
    demo.add_argument(
        "--port",
        type=int,
        default=3100,
        help="where the workspace's page is served on 127.0.0.1 (0 for any free port)",
    )
    demo.add_argument("--no-browser", action="store_true", help="do not open the page")


def _configure(verbs: Verbs) -> None:
    check = _verb(
        verbs,
        "check-config",
        _check_config,
        "check gonogo.yaml and the settings, and say what was understood",
    )
    check.add_argument("file", nargs="?", type=Path, help="the file (default: GONOGO_CONFIG)")
    manifest = _verb(verbs, "manifest", _manifest, "print the Slack app's manifest")
    way = manifest.add_mutually_exclusive_group()
    way.add_argument("--socket", action="store_true", help="for Socket Mode (default)")
    way.add_argument("--http", metavar="URL", help="for HTTP, with the bot's public address")


def _keep_copy(verbs: Verbs) -> None:
    backup = _verb(
        verbs,
        "backup",
        _backup,
        "copy the database into a file while the bot works, and verify the copy",
    )
    backup.add_argument(
        "file",
        type=Path,
        help="where to put it; an older one there is replaced once the new one is good",
    )


def _audit(verbs: Verbs) -> None:
    audit = verbs.add_parser(
        "audit",
        help="verify or export the audit log",
        description="Verify or export the audit log.",
    )
    parts = audit.add_subparsers(required=True, metavar="COMMAND")
    sentence = (
        "say what the audit log proves and what it does not: 0 proved, 1 broken, "
        "3 consistent but unproved"
    )
    for where, name in ((parts, "verify"), (verbs, "verify-audit")):
        verify = _verb(where, name, _verify_audit, sentence)
        verify.add_argument(
            "--head",
            action="append",
            default=[],
            metavar="NUMBER:HASH",
            help="a head that you kept and vouch for",
        )
        verify.add_argument(
            "--heads",
            type=Path,
            metavar="FILE",
            help="a file of heads (default: GONOGO_AUDIT_HEADS)",
        )
    export = _verb(parts, "export", _export_audit, "write the audit log, as JSON lines or CSV")
    export.add_argument(
        "--format", choices=("jsonl", "csv"), default="jsonl", help="JSON lines (default) or CSV"
    )
    export.add_argument("--service", default="", help="only what is about this service")
    export.add_argument(
        "--deployment", default="", metavar="ID", help="only what is about this deployment"
    )
    export.add_argument(
        "--since",
        type=_moment,
        metavar="TIME",
        help="from this time on (ISO 8601; without a zone it is UTC)",
    )
    export.add_argument("--until", type=_moment, metavar="TIME", help="before this time")


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        sentence = (
            f'"{text}" is no time. Write 2026-11-21, 2026-11-21T10:00 or '
            "2026-11-21T10:00:00+01:00; without a zone it is UTC."
        )
        raise argparse.ArgumentTypeError(sentence) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], int], sentence: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name, help=sentence, description=f"{sentence[0].upper()}{sentence[1:]}."
    )
    parser.set_defaults(run=run)
    return parser


def _await(work: Awaitable[int]) -> int:
    async def waited() -> int:
        return await work

    return asyncio.run(waited())


def _settings() -> Settings:
    from bot.registry import known_kinds  # noqa: PLC0415
    from bot.settings import Settings  # noqa: PLC0415

    return Settings.read(secrets=[secret.name for secret in known_kinds().secrets])


def _run(_options: argparse.Namespace) -> int:
    from bot.app import serve  # noqa: PLC0415 - `gonogo manifest` need not load everything

    return _await(serve(_settings()))


def _demo(options: argparse.Namespace) -> int:
    from bot.sandbox.demo import demo  # noqa: PLC0415

    return _await(
        demo(
            port=options.port,
            play=options.play,
            browser=not options.no_browser and not options.play,
        )
    )


def _check_config(options: argparse.Namespace) -> int:
    from bot.check import check  # noqa: PLC0415

    settings = _settings()
    sys.stdout.write(check(options.file, settings))
    return 0


def _manifest(options: argparse.Namespace) -> int:
    from bot.dispatch.typed import HINTS  # noqa: PLC0415
    from bot.slack.manifest import manifest  # noqa: PLC0415

    found = (
        manifest("http", options.http, hints=HINTS)
        if options.http
        else manifest("socket", hints=HINTS)
    )
    sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return 0


def _schema(_options: argparse.Namespace) -> int:
    from bot.catalog import json_schema  # noqa: PLC0415

    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    return 0


def _adopt(options: argparse.Namespace) -> int:
    from bot.adopting import adopt  # noqa: PLC0415

    sentence = asyncio.run(
        adopt(
            _settings(),
            service=options.service,
            ref=options.ref,
            environment=options.environment,
            aside=sys.stderr.write,
        )
    )
    sys.stdout.write(sentence + "\n")
    return 0


def _doctor(_options: argparse.Namespace) -> int:
    from bot.doctor import examine  # noqa: PLC0415

    report, good = asyncio.run(examine(_settings()))
    sys.stdout.write(report)
    return 0 if good else 1


def _backup(options: argparse.Namespace) -> int:
    from bot.storage.backup import back_up  # noqa: PLC0415

    copy = back_up(_settings().gonogo_database_url, options.file)
    holds = f"{copy.deployments} deployments and {copy.entries} entries of the audit log"
    sys.stdout.write(f"{copy.file} is a good copy of the database: {holds}, {copy.size:,} bytes.\n")
    return 0


def _verify_audit(options: argparse.Namespace) -> int:
    from bot.audit import head_given, verify  # noqa: PLC0415

    try:
        given = [head_given(text) for text in options.head]
    except ValueError as error:
        raise ConfigurationError(
            f'"{error}" is no head. Write it as it was printed: NUMBER:HASH.'
        ) from None
    found, code = verify(_settings(), given, options.heads)
    sys.stdout.write(found)
    return code


def _export_audit(options: argparse.Namespace) -> int:
    from bot.audit import Form, export, nothing_about  # noqa: PLC0415
    from bot.domain.audit import Wanted  # noqa: PLC0415

    wanted = Wanted(options.service, options.deployment, options.since, options.until)
    settings = _settings()
    try:
        count = export(settings, sys.stdout, form=Form(options.format), wanted=wanted)
        sys.stdout.flush()
        if not count:
            sentence, code = nothing_about(settings, wanted)
            sys.stderr.write(f"{sentence}\n")
            return code
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
