"""What the machine refuses is a sentence and an exit code that a service manager understands: 78
for a person, 75 for another try.
"""

from __future__ import annotations

import ast
import errno
import os
import re
import socket
import sqlite3
import stat
from pathlib import Path

import pytest

from bot.domain.errors import ConfigurationError, SystemUnavailable
from bot.domain.faults import PASSING, of_system
from bot.settings import Settings
from bot.slack.render import Words
from bot.start import cannot_listen
from bot.storage.database import open_database
from bot.storage.faults import of_sqlite
from tests.start.conftest import Start
from tests.storage.conftest import deploy


def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def is_a_sentence(said: str) -> bool:
    return "Traceback" not in said and said.rstrip().endswith((".", "?"))


def another_program(path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    connection.close()
    return path


PLACES = {
    "a folder that is a file": "file/gonogo.db",
    "a folder that nobody can make": "/proc/none/gonogo.db",
    "a folder instead of a file": "folder",
    "a lock file that cannot be opened": "locked.db",
    "another kind of file": "other.db",
    "another program's database": "theirs.db",
}


def damaged(folder: Path) -> None:
    """Make places where no database of ours can be."""
    (folder / "file").write_text("a text", encoding="utf-8")
    (folder / "folder").mkdir()
    (folder / "locked.db.lock").mkdir()
    (folder / "other.db").write_bytes(b"GIF89a" + bytes(2000))
    another_program(folder / "theirs.db")


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("what", PLACES)
def test_a_database_that_cannot_be_ends_the_start_for_a_person_to_mend(
    what: str, tmp_path: Path, start: Start
) -> None:
    damaged(tmp_path)
    code, said = start("run", GONOGO_DATABASE_URL=url(tmp_path / PLACES[what]))
    assert code == 78
    assert is_a_sentence(said), said
    assert "atabase" in said


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("command", [("run",), ("adopt", "shop", "v1", "staging")])
def test_a_mistyped_path_starts_no_empty_bot(
    command: tuple[str, ...], tmp_path: Path, start: Start
) -> None:
    code, said = start(*command, GONOGO_DATABASE_URL=url(tmp_path / "nosuch" / "deep" / "x.db"))
    assert (code, said) == (
        78,
        (
            f"There is no folder {tmp_path}/nosuch/deep for the database x.db. Look whether "
            "GONOGO_DATABASE_URL is written as you mean it, or make the folder.\n"
        ),
    )
    assert not (tmp_path / "nosuch").exists()


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("command", [("run",), ("adopt", "shop", "v1", "staging")])
def test_a_database_that_was_not_there_is_said_to_be_new_once(
    command: tuple[str, ...], tmp_path: Path, start: Start
) -> None:
    told = f"made a new, empty database at {tmp_path}/gonogo.db"
    port = {"GONOGO_LISTEN": "192.0.2.1:1"}  # an address that is not ours ends the start
    for times in (1, 0):
        _, said = start(*command, GONOGO_DATABASE_URL=url(tmp_path / "gonogo.db"), **port)
        assert said.count(told) == times, said


@pytest.mark.case("adoption-8")
async def test_the_folder_of_the_default_alone_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = Settings.read({}).gonogo_database_url
    monkeypatch.chdir(tmp_path)
    database = await open_database(default)
    made = database.made
    await database.close()
    assert made == f"made a new, empty database at {tmp_path}/var/gonogo.db"
    assert rights(tmp_path / "var") == 0o700
    with pytest.raises(ConfigurationError, match="There is no folder other for the database"):
        await open_database("sqlite+aiosqlite:///other/gonogo.db")


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("what", ["other.db", "theirs.db", "folder", "nowhere.db"])
def test_verify_audit_says_so_too_and_changes_nothing(
    what: str, tmp_path: Path, start: Start
) -> None:
    damaged(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    code, said = start("verify-audit", GONOGO_DATABASE_URL=url(tmp_path / what))
    assert code == 78
    assert is_a_sentence(said), said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.case("adoption-8")
async def test_a_file_that_another_process_has_may_be_free_at_the_next_try(tmp_path: Path) -> None:
    database = await open_database(url(tmp_path / "gonogo.db"))
    with pytest.raises(SystemUnavailable, match="is in use by process"):
        await open_database(url(tmp_path / "gonogo.db"))
    await database.close()


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_fault_of_the_system_is_a_sentence_with_one_of_two_codes(number: int) -> None:
    said = of_system(OSError(number, os.strerror(number)), "The thing cannot be used", "Mend it.")
    assert isinstance(said, SystemUnavailable if number in PASSING else ConfigurationError)
    assert str(said).startswith("The thing cannot be used: ")
    assert str(said).endswith(" Mend it.")


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, SystemUnavailable), (sqlite3.SQLITE_BUSY, SystemUnavailable),
        (sqlite3.SQLITE_IOERR_WRITE, SystemUnavailable),
        (sqlite3.SQLITE_READONLY, ConfigurationError),
        (sqlite3.SQLITE_CANTOPEN, ConfigurationError),
        (sqlite3.SQLITE_NOTADB, ConfigurationError), (sqlite3.SQLITE_CORRUPT, ConfigurationError),
    ],
)  # fmt: skip
def test_a_full_disk_may_pass_and_a_damaged_file_does_not(code: int, kind: type[Exception]) -> None:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    assert type(of_sqlite(Path("/data/gonogo.db"), error)) is kind


@pytest.mark.case("adoption-8")
def test_a_work_folder_that_cannot_be_used_names_the_setting(tmp_path: Path, start: Start) -> None:
    (tmp_path / "file").touch()
    code, said = start("adopt", "shop", "v1", "staging", GONOGO_WORK_DIR=str(tmp_path / "file"))
    assert code == 78
    assert "Set GONOGO_WORK_DIR to a folder that the bot may write to." in said


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("duration", ["999999w", "367d"])
def test_a_duration_longer_than_a_year_is_no_duration(
    duration: str, catalog: Path, start: Start
) -> None:
    text = catalog.read_text(encoding="utf-8")
    steps = ", ".join([f"{{percent: 5, hold: {duration}}}"] * 200)
    catalog.write_text(
        f"{text}strategies:\n  slow: {{kind: canary, steps: [{steps}]}}\n", encoding="utf-8"
    )
    code, said = start("run")
    assert code == 78
    assert f'"{duration}" is longer than a year.' in said
    assert is_a_sentence(said)


@pytest.mark.case("adoption-8")
def test_a_folder_of_templates_that_is_not_there_ends_the_start(
    tmp_path: Path, start: Start
) -> None:
    code, said = start("run", GONOGO_TEMPLATES=str(tmp_path / "none"))
    assert (code, said) == (
        78,
        (
            f"GONOGO_TEMPLATES: there is no folder {tmp_path}/none. Correct the "
            "path, or do not set it.\n"
        ),
    )


BROKEN = {
    "{{ unclosed": "unexpected end",
    "{% if %}": "",
    "{{ a | nofilter }}": "nofilter",
    "{{ a | safe }}": "safe",
}


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("template", BROKEN)
def test_a_template_of_the_team_that_is_broken_is_found_with_its_line(
    template: str, tmp_path: Path
) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "lead.md.j2").write_text(f"fine\n{template}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        Words(tmp_path).examine()
    assert re.match(
        rf"{tmp_path}/answers/lead\.md\.j2:[23]: .*{BROKEN[template]}", str(refused.value)
    )


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("command", ["run", "check-config"])
def test_a_template_that_is_broken_ends_the_start_and_the_check(
    command: str, tmp_path: Path, start: Start
) -> None:
    own = tmp_path / "own" / "answers"
    own.mkdir(parents=True)
    (own / "lead.md.j2").write_text("{{ unclosed", encoding="utf-8")
    code, said = start(command, GONOGO_TEMPLATES=str(tmp_path / "own"))
    assert code == 78
    assert f"{own}/lead.md.j2:1: " in said


@pytest.mark.case("adoption-8")
def test_a_template_that_no_message_has_is_a_slip(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "laed.md.j2").write_text(
        "{% include 'answers/part.md.j2' %}", encoding="utf-8"
    )
    (tmp_path / "answers" / "part.md.j2").write_text("a part of our own", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        Words(tmp_path).examine()
    assert str(refused.value) == (
        f"{tmp_path}/answers/laed.md.j2: no message has this name. Did you mean "
        "answers/lead.md.j2? Rename it, or remove it."
    )


@pytest.mark.case("adoption-11")
@pytest.mark.parametrize(
    ("listen", "error", "kind", "remedy"),
    [
        (
            "nowhere.invalid:3000",
            socket.gaierror(socket.EAI_NONAME, "unknown"),
            ConfigurationError,
            "no address nowhere.invalid. Write 0.0.0.0:3000",
        ),
        (
            "192.0.2.1:3000",
            OSError(errno.EADDRNOTAVAIL, "x"),
            ConfigurationError,
            "no address 192.0.2.1. Write 0.0.0.0:3000",
        ),
        (
            "0.0.0.0:80",
            OSError(errno.EACCES, "x"),
            ConfigurationError,
            "ports below 1024 are root's. Choose a higher one.",
        ),
        (
            "0.0.0.0:3000",
            OSError(errno.EADDRINUSE, "x"),
            SystemUnavailable,
            "another program listens there. Choose another port, or stop",
        ),
    ],
)
def test_an_address_that_cannot_be_had_has_the_remedy_for_its_own_reason(
    listen: str, error: OSError, kind: type[Exception], remedy: str
) -> None:
    said = cannot_listen(error, Settings.read({"GONOGO_LISTEN": listen}))
    assert type(said) is kind
    assert remedy in str(said)


@pytest.mark.case("adoption-12")
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GONOGO_LISTN", "GONOGO_LISTEN"), ("GONOGO_DATABASE_URI", "GONOGO_DATABASE_URL"),
        ("GONOGO_AUDITKEY", "GONOGO_AUDIT_KEY"),
        ("GONOGO_TEMPLATE", "GONOGO_TEMPLATES"), ("GONOGO_GITHUB_TOKN", "GONOGO_GITHUB_TOKEN"),
    ],
)  # fmt: skip
def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.read({name: "x"}, secrets=["GONOGO_GITHUB_TOKEN"])
    assert str(refused.value) == f"{name}: is no setting. Did you mean {meant}?"


@pytest.mark.case("adoption-12")
def test_a_setting_that_nobody_reads_is_worth_a_word_and_no_more() -> None:
    assert Settings.read(
        {"GONOGO_COLOUR": "red", "SLACK_BOT_TOKN": "x", "SLACK_WEBHOOK": "x"}
    ).unread == (
        "GONOGO_COLOUR: is no setting; nothing reads it.",
        "SLACK_BOT_TOKN: is no setting. Did you mean SLACK_BOT_TOKEN?",
    )


@pytest.mark.case("adoption-12")
def test_what_kubernetes_tells_every_container_is_no_misspelt_setting() -> None:
    told = {
        "GONOGO_SERVICE_HOST": "10.0.0.1",
        "GONOGO_SERVICE_PORT": "80",
        "GONOGO_PORT": "tcp://10.0.0.1:80",
        "GONOGO_PORT_80_TCP_ADDR": "x",
    }
    assert Settings.read(told).unread == ()


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.case("trust-12")
async def test_the_database_and_what_lies_beside_it_is_for_the_bot_alone(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    before = os.umask(0)
    try:
        database = await open_database(url(tmp_path / "var" / "gonogo.db"))
        await deploy(database)
        found = {path.name: rights(path) for path in (tmp_path / "var").iterdir()}
        await database.close()
    finally:
        os.umask(before)
    assert {"gonogo.db", "gonogo.db-wal", "gonogo.db-shm", "gonogo.db.lock"} <= set(found)
    assert set(found.values()) == {0o600}


@pytest.mark.case("trust-12")
async def test_a_database_that_everybody_could_read_is_closed_to_them(tmp_path: Path) -> None:
    await (await open_database(url(tmp_path / "gonogo.db"))).close()
    (tmp_path / "gonogo.db").chmod(0o644)
    await (await open_database(url(tmp_path / "gonogo.db"))).close()
    assert rights(tmp_path / "gonogo.db") == 0o600


def words_in(path: Path) -> list[str]:
    """List the strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documented
    ]


@pytest.mark.case("adoption-11")
def test_no_remedy_points_to_a_file_that_the_installed_bot_does_not_have() -> None:
    root = Path(__file__).parents[2]
    pages = re.compile(r"docs/(how-to|reference|explanation|tutorial|decisions)/")
    files = [*root.glob("bot/**/*.py"), *root.glob("handlers/**/*.py")]
    assert [
        (path.name, text) for path in files for text in words_in(path) if pages.search(text)
    ] == []


@pytest.mark.case("adoption-8")
@pytest.mark.parametrize("ending", ["", "-wal", ".lock", ".marker"])
def test_a_pipe_where_the_database_or_what_is_beside_it_should_be_ends_the_start(
    ending: str, tmp_path: Path, start: Start
) -> None:
    (tmp_path / "var").mkdir()
    os.mkfifo(tmp_path / "var" / f"gonogo.db{ending}")
    said = (
        f"{tmp_path}/var/gonogo.db{ending} is a pipe, a socket or a device, "
        "not a file. Take it away"
    )
    code, why = start("run")
    assert (code, said in why, "Traceback" in why) == (78, True, False)


@pytest.mark.case("adoption-7")
@pytest.mark.parametrize("command", ["run", "check-config"])
@pytest.mark.parametrize(
    ("heads", "said"),
    [
        ("nowhere/heads", "there is no folder"),
        ("a-folder", "is no plain file"),
        ("a-file", "holds something else than heads"),
    ],
    ids=["no folder", "a folder", "another file"],
)
def test_a_place_where_no_head_of_the_audit_log_can_be_kept_is_seen_at_the_start(
    command: str, heads: str, said: str, tmp_path: Path, start: Start
) -> None:
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-file").write_text("team: T1", encoding="utf-8")
    code, why = start(command, GONOGO_AUDIT_HEADS=str(tmp_path / heads))
    assert code == 78
    assert "GONOGO_AUDIT_HEADS: " in why
    assert said in why
