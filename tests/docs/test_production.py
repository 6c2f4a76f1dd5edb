"""What the page on production tells an operator to do, done."""

from __future__ import annotations

import asyncio
import configparser
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain.audit import Entry
from bot.domain.errors import ConfigurationError, GonogoError
from bot.storage.backup import back_up
from bot.storage.database import open_database
from bot.variables import SETTINGS_DOCS
from tests.storage.conftest import ANA, NOW, deploy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "run-in-production.md").read_text(encoding="utf-8")
UNIT = ROOT / "examples" / "systemd" / "gonogo.service"


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def commands(title: str) -> str:
    return "".join(re.findall(r"^```\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL))


def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


async def deployed(path: Path, times: int = 1) -> int:
    database = await open_database(url(path))
    for _ in range(times):
        deployment = await deploy(database)
        async with database.store.transaction() as tx:
            await tx.audit(Entry(NOW, ANA, "deploy", deployment=deployment.id))
    async with database.store.reading() as reader:
        found = len(await reader.history("shop", limit=100))
    await database.close()
    return found


async def is_known_to_be_restored(path: Path) -> bool:
    database = await open_database(url(path))
    await database.close()
    return database.restored is not None


def followed(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run documented commands in a machine of their own: a folder, a systemctl
    and a chown that only nod.
    """
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    for name in ("systemctl", "chown"):
        (tools / name).write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    (tools / "gonogo").write_text(
        f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m bot "$@"\n', encoding="utf-8"
    )
    (tools / "gonogo").chmod(0o755)
    here = text.replace("/var/lib/gonogo", f"{folder}/state").replace("/backup", f"{folder}/backup")
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "GONOGO_DATABASE_URL": url(folder / "state" / "gonogo.db"),
    }
    return subprocess.run(
        ["bash", "-euc", here], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.case("adoption-9")
def test_the_documented_backup_and_restore_bring_back_what_was_there(tmp_path: Path) -> None:
    for name in ("state", "backup"):
        (tmp_path / name).mkdir()
    state = tmp_path / "state" / "gonogo.db"
    asyncio.run(deployed(state, 2))
    done = followed(commands("Back up"), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is a good copy of the database: 2 deployments" in done.stdout
    asyncio.run(deployed(state, 3))
    done = followed(commands("Restore"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert asyncio.run(is_known_to_be_restored(state))
    assert asyncio.run(deployed(state)) == 3, "the two of the copy, and the one that was made now"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


@pytest.mark.case("adoption-9")
def test_a_backup_of_nothing_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    done = followed(f"mkdir -p /backup\n{commands('Back up')}", tmp_path)
    assert done.returncode == 78
    assert "There is no database at" in done.stderr
    assert list((tmp_path / "backup").iterdir()) == []


@pytest.mark.case("adoption-9")
async def test_a_backup_is_made_while_the_bot_works_and_replaces_the_one_before(
    tmp_path: Path,
) -> None:
    database = await open_database(url(tmp_path / "gonogo.db"))
    await deploy(database)
    first = back_up(url(tmp_path / "gonogo.db"), tmp_path / "copy.db")
    await deploy(database)
    second = back_up(url(tmp_path / "gonogo.db"), tmp_path / "copy.db")
    await database.close()
    assert (first.deployments, second.deployments) == (1, 2)
    assert stat.S_IMODE(second.file.stat().st_mode) == 0o600
    assert [name for name in os.listdir(tmp_path) if name.startswith("copy")] == ["copy.db"]  # noqa: PTH208


@pytest.mark.case("adoption-9")
async def test_a_damaged_database_does_not_replace_a_good_backup(tmp_path: Path) -> None:
    await deployed(tmp_path / "gonogo.db")
    good = back_up(url(tmp_path / "gonogo.db"), tmp_path / "copy.db")
    before = good.file.read_bytes()
    with (tmp_path / "gonogo.db").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096 * 20)
    with pytest.raises((GonogoError, ConfigurationError), match="damaged"):
        back_up(url(tmp_path / "gonogo.db"), tmp_path / "copy.db")
    assert good.file.read_bytes() == before


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """List what is in a folder: which file each name is, and how large."""
    return {
        file.name: (file.inode(), file.stat(follow_symlinks=False).st_size)
        for file in os.scandir(folder)
    }


@pytest.mark.case("adoption-9")
@pytest.mark.parametrize(
    "place",
    [
        "gonogo.db-wal",
        "gonogo.db-shm",
        "gonogo.db.lock",
        "gonogo.db.marker",
        "gonogo.yaml",
        "pipe",
        "link",
        "other.db",
    ],
)
async def test_a_backup_replaces_nothing_but_an_older_backup(place: str, tmp_path: Path) -> None:
    database = await open_database(url(tmp_path / "gonogo.db"))
    await deploy(database)
    (tmp_path / "gonogo.yaml").write_text("team: T1", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "gonogo.yaml")
    os.mkfifo(tmp_path / "pipe")
    sqlite3.connect(tmp_path / "other.db").execute(
        "CREATE TABLE somebody_elses (n)"
    ).connection.close()
    before = files(tmp_path)
    with pytest.raises(ConfigurationError, match=r"Name (another|a) file"):
        back_up(url(tmp_path / "gonogo.db"), tmp_path / place)
    assert files(tmp_path) == before
    await database.close()


@pytest.mark.case("adoption-9")
@pytest.mark.parametrize("place", ["", "gonogo.db", "none/copy.db", "text/copy.db"])
async def test_a_place_where_no_backup_can_be_is_refused(place: str, tmp_path: Path) -> None:
    await deployed(tmp_path / "gonogo.db")
    (tmp_path / "text").write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"cannot be (the backup|written)"):
        back_up(url(tmp_path / "gonogo.db"), tmp_path / place)
    with sqlite3.connect(tmp_path / "gonogo.db") as connection:
        assert connection.execute("SELECT count(*) FROM deployment").fetchone() == (1,)
    connection.close()


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


@pytest.mark.case("adoption-9")
def test_the_unit_on_the_page_is_the_one_that_ships() -> None:
    assert f"```ini\n{UNIT.read_text(encoding='utf-8')}```" in PAGE


@pytest.mark.case("adoption-9")
def test_the_unit_makes_its_folders_knows_its_settings_and_stays_down_for_78_alone() -> None:
    parts = unit()
    service = parts["Service"]
    assert parts["Install"]["WantedBy"] == "multi-user.target"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "78")
    assert (
        service["StateDirectory"],
        service["StateDirectoryMode"],
        service["ConfigurationDirectory"],
    ) == ("gonogo", "0700", "gonogo")
    told = dict(
        re.findall(r"^Environment=(\w+)=(\S+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert told["GONOGO_CONFIG"] == "/etc/gonogo/gonogo.yaml"
    assert told["GONOGO_DATABASE_URL"].endswith(f"{service['WorkingDirectory']}/gonogo.db")
    assert set(told) <= {doc.name for doc in SETTINGS_DOCS}


@pytest.mark.case("adoption-9")
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    text = (
        UNIT.read_text(encoding="utf-8")
        .replace("/opt/gonogo/bin/gonogo", sys.executable)
        .replace("User=gonogo", f"User={os.getuid()}")
    )
    (tmp_path / "gonogo.service").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "gonogo.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "gonogo.service" not in done.stderr, done.stderr


@pytest.mark.case("adoption-9")
def test_the_image_holds_what_the_pages_use() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert all(f" {package} " in text for package in ("git", "openssh-client", "sqlite3", "tini"))
    assert "org.opencontainers.image.title" in text
