"""The audit log in the database, and what the terminal says of it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from bot.audit import Form, export, head_given, verify
from bot.cli import main
from bot.domain.audit import Entry, Head, Key, Keys, Link, Wanted, seal, sign
from bot.domain.errors import ConfigurationError
from bot.domain.people import GONOGO
from bot.domain.proof import Report, Verdict
from bot.settings import Settings
from bot.storage.audit import SqlAuditLog
from bot.storage.database import Database, open_database
from bot.storage.heads import HeadFile
from bot.storage.rows import table
from bot.storage.tables.record import AuditRow
from tests.storage.conftest import ANA, NOW

SECRET, OTHER = "the-key-of-the-audit-log", "another-key-of-the-log"


def settings(
    tmp_path: Path, key: str = "", previous: str = "", heads: Path | None = None
) -> Settings:
    return Settings.model_construct(
        gonogo_database_url=url_of(tmp_path), gonogo_audit_key=SecretStr(key),
        gonogo_audit_keys_previous=SecretStr(previous),
        gonogo_audit_heads=heads,
    )  # fmt: skip


def url_of(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/gonogo.db"


async def write(database: Database, *actions: str, at: datetime = NOW) -> None:
    for action in actions:
        async with database.store.transaction() as tx:
            await tx.audit(
                Entry(
                    at,
                    ANA,
                    action,
                    "shop-1",
                    facts={"version": "v1", "by": str(GONOGO), "numbers": [1, 2.5, None]},
                )
            )


async def written(tmp_path: Path, *actions: str, key: str = "") -> None:
    """Run a bot with a key that writes, and stop it."""
    database = await open_database(url_of(tmp_path), audit_keys=settings(tmp_path, key).audit_keys)
    await write(database, *actions)
    await database.close()


async def changed(tmp_path: Path, *statements: str) -> None:
    """Do what somebody with the file can do."""
    database = await open_database(url_of(tmp_path))
    async with database.writer.begin() as connection:
        for statement in (
            "DROP TRIGGER audit_no_update",
            "DROP TRIGGER audit_no_delete",
            *statements,
        ):
            await connection.execute(text(statement))
    await database.close()


async def report(tmp_path: Path, keys: Keys = Keys()) -> Report:  # noqa: B008 - a value
    log = SqlAuditLog(url_of(tmp_path), keys)
    found = await log.verify()
    log.close()
    return found


async def said(
    settings: Settings, given: Sequence[Head] = (), file: Path | None = None
) -> tuple[list[str], int]:
    sentences, code = await asyncio.to_thread(verify, settings, given, file)
    return sentences.splitlines(), code


async def test_entries_come_back_in_order_as_they_were(database: Database) -> None:
    await write(database, "deploy", "approve")
    async with database.store.reading() as reader:
        entries = await reader.entries("shop-1")
    assert [entry.action for entry in entries] == ["deploy", "approve"]
    assert entries[0] == Entry(
        NOW,
        ANA,
        "deploy",
        "shop-1",
        facts={"version": "v1", "by": "/gonogo", "numbers": [1, 2.5, None]},
    )


@pytest.mark.parametrize("statement", ["UPDATE audit SET hash = 'x'", "DELETE FROM audit"])
async def test_the_database_refuses_to_change_or_delete(database: Database, statement: str) -> None:
    await write(database, "deploy")
    with pytest.raises(IntegrityError, match="append-only"):
        async with database.writer.begin() as connection:
            await connection.execute(text(statement))


@pytest.mark.case("trust-8")
@pytest.mark.parametrize(
    "change",
    [
        "deployment = 'shop-2'", "actor = 'T1/BO'", "action = 'reject'",
        "at = '2026'", "outcome = 'refused'", "facts = '{}'",
        "facts = CAST(x'ff' AS TEXT)", "facts = x'00'", "key = ''",
    ],
)  # fmt: skip
async def test_somebody_with_the_file_is_found_out_whatever_they_change(
    tmp_path: Path, change: str
) -> None:
    await written(tmp_path, "deploy", "approve", "rollback", key=SECRET)
    await changed(tmp_path, f"UPDATE audit SET {change} WHERE n = 2")  # noqa: S608 - the changes above
    lines, code = await said(settings(tmp_path, SECRET))
    assert code == 1
    assert lines[0] == "The audit log does not hold."
    assert lines[1].startswith("Broken at entry 2: what it says is not what was hashed")


@pytest.mark.case("trust-8")
async def test_verification_says_with_which_key_each_stretch_was_checked_and_what_could_not_be(
    tmp_path: Path,
) -> None:
    await written(tmp_path, "deploy")
    await written(tmp_path, "approve", "started", key=OTHER)
    await written(tmp_path, "rollback", key=SECRET)
    lines, code = await said(settings(tmp_path, SECRET, OTHER))
    old, new = Key(OTHER.encode()).id, Key(SECRET.encode()).id
    assert lines[:4] == [
        "The audit log is consistent but unproved: 4 entries.",
        "Entry 1: unsigned: consistent, but whoever has the database could have written them anew.",
        f"Entries 2 to 3: signed, and verified with key {old}.",
        f"Entry 4: signed, and verified with key {new}.",
    ]
    assert lines[4] == (
        "Not checked: whether entries were cut off at the end. Compare with a head that was "
        "kept elsewhere (--head, --heads)."
    )
    assert code == 3
    lines, code = await said(settings(tmp_path, SECRET))
    assert (
        f"Entries 2 to 3: signed with key {old}, which was not given: their "
        "content was not checked."
    ) in lines
    assert code == 3


@pytest.mark.case("trust-8")
async def test_a_chain_that_was_rewritten_without_the_key_does_not_pass_for_a_proved_one(
    tmp_path: Path,
) -> None:
    await written(tmp_path, "deploy", "approve", key=SECRET)
    assert (await said(settings(tmp_path, SECRET)))[1] == 0
    await changed(tmp_path, "DELETE FROM audit")
    await written(tmp_path, "deploy", "reject")
    for key in ("", SECRET):
        lines, code = await said(settings(tmp_path, key))
        assert lines[0] == "The audit log is consistent but unproved: 2 entries."
        assert code == 3


@pytest.mark.case("trust-8")
async def test_a_head_that_was_kept_finds_a_tail_that_was_cut_off_and_a_past_that_was_rewritten(
    tmp_path: Path,
) -> None:
    await written(tmp_path, "deploy", "approve", "rollback", key=SECRET)
    head = (await report(tmp_path, settings(tmp_path, SECRET).audit_keys)).head
    assert head is not None
    kept = tmp_path / "heads.jsonl"
    HeadFile(kept).append(sign(head, NOW, Key(SECRET.encode())))
    lines, code = await said(settings(tmp_path, SECRET, heads=kept))
    assert code == 0
    assert "Head 3 of 2026-11-21 09:30 UTC: agrees." in lines
    await changed(tmp_path, "DELETE FROM audit WHERE n = 3")
    lines, code = await said(settings(tmp_path, SECRET), file=kept)
    assert code == 1
    assert any(
        line.startswith("Head 3 of 2026-11-21 09:30 UTC: the chain ends before it")
        for line in lines
    )
    await written(tmp_path, "proceed", key=SECRET)
    lines, code = await said(settings(tmp_path, SECRET), [head_given(f"3:{head.hash}")])
    assert code == 1
    assert "Head 3: entry 3 has another hash: the log was written anew." in lines


async def test_a_file_of_heads_with_strange_lines_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    await written(tmp_path, "deploy", key=SECRET)
    kept = tmp_path / "heads.jsonl"
    kept.write_bytes(
        b'{"n": 1\n\xff\n[]\n{"n": true, "hash": "", "at": "", "key": "", "signature": ""}\n'
    )
    lines, code = await said(settings(tmp_path, SECRET, heads=kept))
    assert code == 0
    assert lines[-4:] == [
        f"Line {number} of {kept} is no head and was passed over." for number in range(1, 5)
    ]
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await said(settings(tmp_path, SECRET), file=tmp_path / "nowhere")
    lines, _ = await said(settings(tmp_path, SECRET, heads=tmp_path / "nowhere"))
    assert "so nothing was compared with it." in lines[-1]


@pytest.mark.parametrize(
    "words", ["", "5", "x:y", f"-1:{'0' * 64}", f"1:{'g' * 64}", f"1:{'0' * 63}"]
)
def test_a_head_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        head_given(words)


async def test_an_entry_of_a_failed_transaction_is_not_in_the_chain(
    database: Database, tmp_path: Path
) -> None:
    async def fail() -> None:
        async with database.store.transaction() as tx:
            await tx.audit(Entry(NOW, ANA, "never"))
            raise RuntimeError

    await write(database, "deploy")
    with pytest.raises(RuntimeError):
        await fail()
    await write(database, "approve")
    found = await report(tmp_path)
    assert found.broken is None
    assert found.head is not None
    assert found.head.n == 2


async def test_the_audit_is_verified_and_exported_beside_the_bot_and_nothing_is_changed(
    database: Database, tmp_path: Path
) -> None:
    await write(database, "deploy")
    async with database.store.transaction() as tx:
        await tx.audit(Entry(NOW, ANA, "approve"))
        assert (await said(settings(tmp_path)))[0][
            0
        ] == "The audit log is consistent but unproved: 1 entry."
        assert (
            await asyncio.to_thread(
                export, settings(tmp_path), io.StringIO(), form=Form.LINES, wanted=Wanted()
            )
            == 1
        )


@pytest.mark.case("trust-8")
async def test_the_export_as_json_lines_is_all_that_another_program_needs_to_verify(
    tmp_path: Path,
) -> None:
    await written(tmp_path, "deploy", "approve", key=SECRET)
    out = io.StringIO()
    await asyncio.to_thread(export, settings(tmp_path), out, form=Form.LINES, wanted=Wanted())
    links = [Link(**json.loads(line)) for line in out.getvalue().splitlines()]
    key, previous = Key(SECRET.encode()), None
    for link in links:
        assert link == seal(
            Entry(NOW, ANA, link.action, "shop-1", facts=json.loads(link.facts)), previous, key
        )
        previous = Head(link.n, link.hash)
    assert [link.action for link in links] == ["deploy", "approve"]


async def test_the_program_in_the_papers_verifies_an_export(tmp_path: Path) -> None:
    await written(tmp_path, "deploy", "approve", key=SECRET)
    out = io.StringIO()
    await asyncio.to_thread(export, settings(tmp_path), out, form=Form.LINES, wanted=Wanted())
    paper = (Path(__file__).parents[2] / "docs/how-to/verify-the-audit-log.md").read_text(
        encoding="utf-8"
    )
    program = paper.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "audit-key").write_text(f"{SECRET}\n", encoding="utf-8")

    def run(exported: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program],
            input=exported,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (await asyncio.to_thread(run, out.getvalue())).stdout.startswith("2:")
    assert (
        await asyncio.to_thread(run, out.getvalue().replace("approve", "reject"))
    ).returncode == 1


@pytest.mark.parametrize("words", [["verify-audit"], ["audit", "verify"]])
async def test_both_names_of_the_command_give_the_exit_code_of_what_was_found(
    tmp_path: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await written(tmp_path, "deploy")
    monkeypatch.setenv("GONOGO_DATABASE_URL", url_of(tmp_path))
    with pytest.raises(SystemExit) as left:
        await asyncio.to_thread(main, words)
    assert left.value.code == 3
    assert capsys.readouterr().out.startswith("The audit log is consistent but unproved: 1 entry.")
    with pytest.raises(SystemExit) as left:
        await asyncio.to_thread(main, [*words, "--head", "nonsense"])
    assert left.value.code == 78


async def test_the_export_as_a_table_has_no_formulas_and_only_what_was_asked_for(
    tmp_path: Path,
) -> None:
    database = await open_database(url_of(tmp_path))
    await write(database, "deploy", "=HYPERLINK()", at=NOW + timedelta(days=1))
    await write(database, "late", at=NOW + timedelta(days=2))
    await database.close()
    out = io.StringIO()
    wanted = Wanted("shop", "shop-1", NOW + timedelta(days=1), NOW + timedelta(days=2))
    assert (
        await asyncio.to_thread(export, settings(tmp_path), out, form=Form.TABLE, wanted=wanted)
        == 2
    )
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["action"] for row in rows] == ["deploy", "'=HYPERLINK()"]
    assert rows[0]["at"] == "2026-11-22T09:30:15.123456+00:00"


@pytest.mark.case("trust-8")
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            ["--since", "yesterday"],
            2,
            (
                '"yesterday" is no time. Write 2026-11-21, 2026-11-21T10:00 or '
                "2026-11-21T10:00:00+01:00;"
            ),
        ),
        (
            ["--service", "nosuch"],
            1,
            "about the service nosuch. Look whether it is written as in gonogo.yaml.",
        ),
        (
            ["--deployment", "shop-9"],
            1,
            "about the deployment shop-9. In Slack /deploy history SERVICE lists the ids.",
        ),
        (
            ["--service", "shop", "--deployment", "shop-9"],
            1,
            (
                "about the service shop and the deployment shop-9. In Slack /deploy history shop "
                "lists the ids."
            ),
        ),
        (
            ["--service", "shop", "--since", "2030-01-01"],
            0,
            "The audit log has no entry about the service shop of that time.",
        ),
        (["--since", "2030-01-01"], 0, "The audit log has no entry of that time."),
        (["--service", "shop"], 0, ""),
    ],
)
async def test_an_export_that_finds_nothing_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    says: str,
) -> None:
    database = await open_database(url_of(tmp_path))
    async with database.store.transaction() as tx:
        await tx.audit(
            Entry(NOW, ANA, "lock", facts={"service": "shop", "environment": "production"})
        )
    await database.close()
    monkeypatch.setenv("GONOGO_DATABASE_URL", url_of(tmp_path))
    with pytest.raises(SystemExit) as left:
        await asyncio.to_thread(main, ["audit", "export", *words])
    said = capsys.readouterr()
    assert left.value.code == code
    assert says in said.err
    assert bool(said.out) is not bool(says)
    assert "_moment" not in said.err


@pytest.mark.case("reliability-8")
async def test_verification_holds_a_page_of_the_chain_and_never_the_whole(tmp_path: Path) -> None:
    database = await open_database(url_of(tmp_path))
    links: list[Link] = []
    for number in range(20_000):
        entry = Entry(
            datetime.fromtimestamp(number, tz=UTC),
            ANA,
            "deploy",
            f"shop-{number // 100}",
            facts={"why": "x" * 200},
        )
        links.append(seal(entry, Head(links[-1].n, links[-1].hash) if links else None, None))
    async with database.writer.begin() as connection:
        names = Link.__dataclass_fields__
        await connection.execute(
            insert(table(AuditRow)),
            [{name: getattr(link, name) for name in names} for link in links],
        )
    await database.close()
    links.clear()
    tracemalloc.start()
    found = await report(tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.head is not None
    assert found.head.n == 20_000
    assert found.verdict is Verdict.UNPROVED
    assert most < 8_000_000


async def test_a_database_that_is_not_there_is_said_so_and_not_made(tmp_path: Path) -> None:
    nowhere = settings(tmp_path / "nowhere")
    with pytest.raises(
        ConfigurationError, match=r"There is no database at .*nowhere.*\. Set GONOGO_DATABASE_URL"
    ):
        await said(nowhere)
    assert not await asyncio.to_thread((tmp_path / "nowhere").exists)
