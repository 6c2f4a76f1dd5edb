"""``gonogo audit``: what the log proves and what it does not, and the log for other programs. Reads
only; a bot may be at work.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from bot.domain.audit import Head, Link, Wanted
from bot.domain.errors import ConfigurationError
from bot.domain.proof import Agreement, Checked, Compared, Fault, Report, Stretch, Verdict
from bot.services.auditing import AuditWatch
from bot.services.context import Context
from bot.settings import Settings
from bot.storage.audit import SqlAuditLog
from bot.storage.database import existing
from bot.storage.heads import HeadFile

EXITS = {Verdict.PROVED: 0, Verdict.BROKEN: 1, Verdict.UNPROVED: 3}
MOST_SHOWN = 20
"""So many stretches and heads are written out; of more, how many there are."""
DIGITS = 64


class Form(StrEnum):
    """How an export is written."""

    LINES = "jsonl"
    TABLE = "csv"


def verify(
    settings: Settings, given: Sequence[Head] = (), file: Path | None = None
) -> tuple[str, int]:
    """Verify all of the chain, and compare it with heads. Gives what was
    found, and the exit code.
    """
    kept, unread = _kept(file or settings.gonogo_audit_heads, must_be=file is not None)
    log = SqlAuditLog(existing(settings.gonogo_database_url), settings.audit_keys)
    try:
        report = asyncio.run(log.verify([*given, *kept]))
    finally:
        log.close()
    lines = [*written(report), *unread]
    return "".join(f"{line}\n" for line in lines), EXITS[report.verdict]


def export(settings: Settings, out: TextIO, *, form: Form, wanted: Wanted) -> int:
    """Write the entries that are wanted, one after the other. Gives how many."""
    log = SqlAuditLog(existing(settings.gonogo_database_url), settings.audit_keys)
    try:
        return WRITERS[form](log.links(wanted), out)
    finally:
        log.close()


def nothing_about(settings: Settings, wanted: Wanted) -> tuple[str, int]:
    """Say that no entry is what was asked for. A service or deployment that the log has never heard
    of is a mistake: exit code 1.
    """
    named = [f"the service {wanted.service}"] * bool(wanted.service) + [
        f"the deployment {wanted.deployment}"
    ] * bool(wanted.deployment)
    about = " and ".join(named)
    if not named:
        return "The audit log has no entry of that time.", 0
    log = SqlAuditLog(existing(settings.gonogo_database_url), settings.audit_keys)
    try:
        is_known = (
            next(iter(log.links(Wanted(wanted.service, wanted.deployment))), None) is not None
        )
    finally:
        log.close()
    if is_known:
        return f"The audit log has no entry about {about} of that time.", 0
    return (
        (f"The audit log has never had an entry about {about}. {_where_it_stands(wanted)}"),
        1,
    )


def _where_it_stands(wanted: Wanted) -> str:
    """Say where the name of what was asked for can be looked up."""
    if not wanted.deployment:
        return "Look whether it is written as in gonogo.yaml."
    return f"In Slack /deploy history {wanted.service or 'SERVICE'} lists the ids."


def watch(
    settings: Settings, context: Context, found: Callable[[bool], None]
) -> tuple[AuditWatch, SqlAuditLog]:
    """Build what watches over the log of a bot that runs, and the log, which
    is to be closed after it.
    """
    log = SqlAuditLog(settings.gonogo_database_url, settings.audit_keys)
    alarms, channel = channels(settings, context), settings.gonogo_audit_channel
    file = HeadFile(settings.gonogo_audit_heads) if settings.gonogo_audit_heads else None
    return AuditWatch(
        context.store, log, settings.audit_keys, context.clock, alarms, channel, file, found
    ), log


def examine(settings: Settings) -> None:
    """See that heads of the log can be kept where the settings say. Raises ConfigurationError."""
    if settings.gonogo_audit_heads:
        HeadFile(settings.gonogo_audit_heads).examine()


def channels(settings: Settings, context: Context) -> Sequence[str]:
    """Name the channels in which is told what is wrong with the database or its log: the one for
    it, else those of the services.
    """
    if settings.gonogo_audit_channel:
        return [settings.gonogo_audit_channel]
    return sorted(
        {service.channel for service in context.catalog.services.values() if service.channel}
    )


def head_given(text: str) -> Head:
    """Read a head as a person brings it: NUMBER:HASH. Raises ValueError."""
    number, _, hashed = text.strip().partition(":")
    if (
        not number.isascii()
        or not number.isdigit()
        or len(hashed) != DIGITS
        or set(hashed) - set("0123456789abcdef")
    ):
        raise ValueError(text)
    return Head(int(number), hashed, is_given=True)


def _kept(file: Path | None, *, must_be: bool) -> tuple[Sequence[Head], Sequence[str]]:
    if file is None:
        return (), ()
    try:
        heads, strange = HeadFile(file).read()
    except OSError as error:
        if must_be:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
        return (), (
            (
                f"The file of heads {file} cannot be read ({error.strerror}), so "
                "nothing was compared with it."
            ),
        )
    return heads, tuple(
        f"Line {number} of {file} is no head and was passed over." for number in strange
    )


# What was found, in words -----------------------------------------------------------------------

CHECKED = {
    Checked.SIGNED: "signed, and verified with key {key}",
    Checked.UNSIGNED: (
        "unsigned: consistent, but whoever has the database could have written them anew"
    ),
    Checked.UNKNOWN_KEY: (
        "signed with key {key}, which was not given: their content was not checked"
    ),
    Checked.UNKNOWN_FORMAT: (
        "in a format that this version does not know: their content was not checked"
    ),
}
FAULTS = {
    Fault.CHANGED: (
        "what it says is not what was hashed, or it was not written with the key that it names"
    ),
    Fault.UNLINKED: "it does not follow the entry before it",
    Fault.MISNUMBERED: "entries before it are missing or were put in",
}
AGREEMENTS = {
    Agreement.HOLDS: "agrees",
    Agreement.CUT_OFF: (
        "the chain ends before it: entries were cut off, or an older database was put back"
    ),
    Agreement.REWRITTEN: "entry {n} has another hash: the log was written anew",
    Agreement.FORGED: "its signature is not that of key {key}: the head itself was changed",
    Agreement.ABANDONED: (
        "belongs to entries that were lost when the database was put back from a "
        "copy, as the log itself says"
    ),
}
VERDICTS = {
    Verdict.PROVED: "The audit log holds: {count}.",
    Verdict.UNPROVED: "The audit log is consistent but unproved: {count}.",
    Verdict.BROKEN: "The audit log does not hold.",
}


def written(report: Report) -> Iterator[str]:
    """Say what a verification found, what it could not check, and with which key
    each stretch was checked.
    """
    last = report.head.n if report.head else 0
    yield VERDICTS[report.verdict].format(count=f"{last} entries" if last != 1 else "1 entry")
    if report.broken is not None:
        yield (
            f"Broken at entry {report.broken.n}: {FAULTS[report.broken.fault]}. "
            "Nothing after it was checked."
        )
    yield from _shown([_stretch(each) for each in report.stretches], "stretches")
    wrong_first = sorted(
        report.compared, key=lambda each: (each.agreement is Agreement.HOLDS, -each.head.n)
    )
    yield from _shown([_head(each) for each in wrong_first], "heads")
    yield from _unchecked(report, last)
    if report.head is not None and report.broken is None:
        yield f"Head: {last}:{report.head.hash}"


def _shown(lines: Sequence[str], what: str) -> Iterator[str]:
    yield from lines[:MOST_SHOWN]
    if len(lines) > MOST_SHOWN:
        yield f"… and {len(lines) - MOST_SHOWN} more {what}."


def _stretch(stretch: Stretch) -> str:
    which = (
        f"Entries {stretch.first} to {stretch.last}"
        if stretch.last > stretch.first
        else f"Entry {stretch.first}"
    )
    return f"{which}: {CHECKED[stretch.checked].format(key=stretch.key)}."


def _head(compared: Compared) -> str:
    head = compared.head
    of = f" of {head.at[:16].replace('T', ' ')} UTC" if head.at else ""
    return f"Head {head.n}{of}: {AGREEMENTS[compared.agreement].format(n=head.n, key=head.key)}."


def _unchecked(report: Report, last: int) -> Iterator[str]:
    if report.broken is not None or last == report.anchor:
        return
    if report.anchor:
        yield (
            f"Not checked: whether entries after {last} were cut off; the newest head that "
            f"agrees is {report.anchor}."
        )
    else:
        yield (
            "Not checked: whether entries were cut off at the end. Compare with a head that was "
            "kept elsewhere (--head, --heads)."
        )


# The export -------------------------------------------------------------------------------------


def _lines(links: Iterable[Link], out: TextIO) -> int:
    count = 0
    for link in links:
        out.write(json.dumps(asdict(link), ensure_ascii=True) + "\n")
        count += 1
    return count


def _table(links: Iterable[Link], out: TextIO) -> int:
    writer = csv.writer(out)
    writer.writerow(Link.__dataclass_fields__)
    count = 0
    for link in links:
        writer.writerow([_cell(value) for value in asdict(link).values()])
        count += 1
    return count


def _cell(value: object) -> object:
    """Keep a spreadsheet from taking a text for a formula: an apostrophe is put before it."""
    return (
        f"'{value}"
        if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}
        else value
    )


WRITERS = {Form.LINES: _lines, Form.TABLE: _table}
