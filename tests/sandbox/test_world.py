"""The demo's world: a real repository, real processes, exact weights."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.world import World
from bot.sandbox.world.parent_watch import __file__ as parent_watch
from tests.patience import PATIENCE


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Start a world without customers, with v1.1.0 in production."""
    world = World(tmp_path, customers={})
    await world.start()
    try:
        await world.bootstrap({"production": "v1.1.0"})
        yield world
    finally:
        await world.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def output_of(*arguments: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def deploy(
    world: World, session: aiohttp.ClientSession, version: str, percent: int, token: str = ""
) -> int:
    wanted = {
        "commit": world.commits[version], "version": version,
        "percent": percent, "source": str(await world.files_of(version)),
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token or world.platform.token}"}
    async with session.post(
        f"{world.platform.url}/production/deploy", json=wanted, headers=headers
    ) as response:
        return response.status


async def answers(world: World, session: aiohttp.ClientSession, requests: int) -> Counter[str]:
    async def ask() -> str:
        async with session.get(f"{world.platform.url}/production/site/") as response:
            return response.headers["X-Version"]

    return Counter(await asyncio.gather(*(ask() for _ in range(requests))))


async def metrics(world: World, session: aiohttp.ClientSession) -> str:
    texts = []
    for url in world.platform.metrics_of("production"):
        async with session.get(url) as response:
            texts.append(await response.text())
    return "\n".join(texts)


async def test_the_repository_has_three_releases_and_no_migration_between_the_last_two(
    world: World,
) -> None:
    assert sorted(world.commits) == ["v1.0.0", "v1.1.0", "v1.2.0"]
    changed = (
        await output_of("git", "diff", "--name-only", "v1.1.0", "v1.2.0", folder=world.repository)
    ).split()
    assert "products.py" in changed
    assert not [path for path in changed if path.startswith("migrations/")]
    assert set(
        (await output_of("git", "log", "--format=%an", folder=world.repository)).split()
    ) == {"ana", "cy", "di"}


@pytest.mark.parametrize("version", ["v1.0.0", "v1.1.0", "v1.2.0"])
async def test_the_unit_tests_of_every_release_pass(world: World, version: str) -> None:
    folder = await world.files_of(version)
    await output_of(sys.executable, "run_tests.py", folder=folder)
    assert "<testcase" in (folder / "junit.xml").read_text()


async def test_a_canary_gets_exactly_its_share_and_both_versions_have_metrics(
    world: World, session: aiohttp.ClientSession
) -> None:
    assert await answers(world, session, 20) == {"v1.1.0": 20}
    assert await deploy(world, session, "v1.2.0", 5) == 200
    assert await answers(world, session, 200) == {"v1.1.0": 190, "v1.2.0": 10}
    assert await deploy(world, session, "v1.2.0", 25) == 200
    assert await answers(world, session, 200) == {"v1.1.0": 150, "v1.2.0": 50}
    text = await metrics(world, session)
    for version in ("v1.1.0", "v1.2.0"):
        assert (
            'http_requests_total{code="200",'
            f'commit="{world.commits[version]}",version="{version}"}}'
        ) in text


async def test_rolling_a_canary_back_starts_nothing_and_is_at_once(
    world: World, session: aiohttp.ClientSession
) -> None:
    await deploy(world, session, "v1.2.0", 25)
    assert await deploy(world, session, "v1.1.0", 100) == 200
    assert await answers(world, session, 100) == {"v1.1.0": 100}


async def test_the_new_version_fails_and_is_slow_for_signed_in_customers_only(
    world: World, session: aiohttp.ClientSession
) -> None:
    await deploy(world, session, "v1.2.0", 100)

    async def ask(number: int, customer: str) -> int:
        url = f"{world.platform.url}/production/site/product/{number}"
        async with session.get(url, params={"customer": customer}) as response:
            return response.status

    strangers = Counter(await asyncio.gather(*(ask(number, "") for number in range(100))))
    customers = Counter(await asyncio.gather(*(ask(number, "ana") for number in range(100))))
    assert strangers == {200: 100}
    assert 5 <= customers[500] <= 15


async def test_nothing_is_deployed_without_the_platforms_token(
    world: World, session: aiohttp.ClientSession
) -> None:
    assert await deploy(world, session, "v1.2.0", 100, token="guessed") == 403
    assert await answers(world, session, 10) == {"v1.1.0": 10}


async def test_a_version_that_does_not_start_leaves_the_old_one_alone(
    world: World, session: aiohttp.ClientSession
) -> None:
    folder = await world.files_of("v1.2.0")
    (folder / "app.py").write_text("raise SystemExit('no')\n")
    assert await deploy(world, session, "v1.2.0", 100) == 409
    assert await answers(world, session, 10) == {"v1.1.0": 10}


async def test_an_idle_slot_has_no_metrics(world: World, session: aiohttp.ClientSession) -> None:
    statuses = []
    for url in world.platform.metrics_of("production"):
        async with session.get(url) as response:
            statuses.append(response.status)
    assert sorted(statuses) == [200, 503]


async def test_customers_come_and_failures_do_not_keep_them_away(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    world = World(tmp_path, customers={"staging": 50.0, "production": 50.0})
    await world.start()
    failures = (
        f'http_requests_total{{code="500",commit="{world.commits["v1.2.0"]}",version="v1.2.0"}}'
    )
    try:
        await world.bootstrap({"production": "v1.2.0"})  # staging is down, and stays down
        async with asyncio.timeout(PATIENCE):
            while (
                f"{failures} 0.0" in (text := await metrics(world, session)) or failures not in text
            ):
                continue
    finally:
        await world.close()


async def test_a_program_ends_with_whoever_started_it(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(parent_watch),
        str(program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), PATIENCE) < 0
