"""How many notices from a CI provider are taken in, and at what cost, beside a bare handler.

- ``bare``: aiohttp, the signature check, the JSON parse, a fixed answer. Nothing is looked
  up and nothing is stored.
- ``ours``: the real route ``/webhooks/ci/github`` with the real provider: body limits, signature,
  parse, the run looked up, and for a run that is ours the wake-up committed to SQLite
  (synchronous=FULL) before the answer. The engine that would look then is not started.

The bodies are GitHub's own examples of ``workflow_run`` (16 to 20 kB), about runs that are ours
(``known``) or somebody else's (``unknown``, as most notices of a busy organisation are). Each
server is a process of its own, the client another one. Rounds are interleaved and shuffled; each
figure is the median over the rounds. The client is a closed loop.

    python -m benchmarks.webhooks [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import hashlib
import hmac
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.ack import SystemClock, cpu_seconds
from bot.domain.catalog import Catalog, ProviderChoice, Service
from bot.domain.deployment import Kind
from bot.domain.people import Person
from bot.domain.rollout import Step, StepState
from bot.ports.ci import RunHint
from bot.ports.store import NewDeployment
from bot.providers.ci.github import KIND, webhook
from bot.providers.context import ProviderContext
from bot.providers.rate_limits import RateLimits
from bot.services import webhooks
from bot.storage.database import open_database
from handlers.web.telemetry import Telemetry
from handlers.webhooks.ci import ci_route

SECRET = "a-webhook-secret-for-the-benchmark"
PATH = "/webhooks/ci/github"
EXAMPLES = Path(__file__).parent.parent / "tests/providers/ci/github_webhooks.json.gz"
KNOWN_RUNS = 50
FIRST_RUN = 9_000_000_001
SERVERS, KINDS, CONCURRENCY = ("bare", "ours"), ("known", "unknown"), (1, 10)


# The servers ------------------------------------------------------------------------------------


async def bare(request: web.Request) -> web.Response:
    """Verify and parse."""
    body = await request.read()
    expected = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), request.headers["X-Hub-Signature-256"].encode()):
        return web.Response(status=401)
    json.loads(body)
    return web.Response(status=202)


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[web.RouteDef]:
    """Build the route as the bot does, with deployments that wait for the known runs."""
    database = await open_database(f"sqlite+aiosqlite:///{folder}/webhooks.db")
    clock, ana = SystemClock(), Person("T1", "UANA")
    choice = ProviderChoice("github", {"repository": "shop/storefront"})
    service = Service(
        "storefront", choice, ProviderChoice("scrape"), ProviderChoice("rota"), {}, ()
    )
    catalog = Catalog("T1", {}, {}, {"storefront": service}, {})
    secrets = {"GONOGO_GITHUB_TOKEN": "unused", "GONOGO_GITHUB_WEBHOOK_SECRET": SECRET}
    async with aiohttp.ClientSession() as session:
        provider = KIND.build(
            ProviderContext(
                "storefront", choice.options, lambda name: secrets.get(name, ""),
                session, RateLimits(), clock, database.runs, database.starts,
                folder, lambda _: None,
            )
        )  # fmt: skip
        for run in range(FIRST_RUN, FIRST_RUN + KNOWN_RUNS):
            new = NewDeployment(
                Kind.FORWARD,
                "storefront",
                "production",
                "v1",
                "canary",
                ana,
                clock.now(),
                commit="c" * 40,
            )
            async with database.store.transaction() as tx:
                deployment = await tx.add_deployment(new)
                await tx.save_steps(
                    deployment.id,
                    [Step(0, "canary-5", 5, timedelta(0), StepState.RUNNING, str(run))],
                )
            await database.journal.start(deployment.id, "deploy", 1, [deployment.id])

        async def wake(name: str, hint: RunHint) -> bool:
            return await webhooks.wake(database.store, catalog, hint, provider=name)

        gc.collect()
        gc.freeze()  # as ``bot.app.serve`` does
        yield ci_route(lambda _: [provider], wake, Telemetry())
    await database.close()


async def serve(name: str) -> None:
    """Serve one of them until told to stop; print the port."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        route = (
            await stack.enter_async_context(ours(folder))
            if name == "ours"
            else web.post(PATH, bare)
        )
        application = web.Application(client_max_size=64 * 1024)
        application.add_routes([route])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


# The client -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measured:
    """One server with one kind of notice and so many under way at a time."""

    per_second: float
    p99_ms: float
    cpu_us: float


def deliveries(count: int, kind: str) -> list[bytes]:
    """Sign notices, head and body in one piece."""
    examples: list[dict[str, Any]] = json.loads(gzip.decompress(EXAMPLES.read_bytes()))[
        "workflow_run"
    ]
    first = FIRST_RUN if kind == "known" else FIRST_RUN + KNOWN_RUNS
    return [
        _delivery(examples[number % len(examples)], first + number % KNOWN_RUNS)
        for number in range(count)
    ]


def _delivery(example: dict[str, Any], run: int) -> bytes:
    body = json.dumps({**example, "workflow_run": {**example["workflow_run"], "id": run}}).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
        f"application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-GitHub-Event: workflow_run\r\nX-GitHub-Delivery: {random.getrandbits(64):x}\r\n"
        f"X-Hub-Signature-256: {webhook.sign(SECRET, body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(port: int, waiting: Iterator[bytes], seconds: list[float]) -> None:
    """Send one notice after the other over one connection, as long as there are any."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in waiting:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        seconds.append(time.perf_counter() - began)
        if b" 202 " not in head[:20]:
            raise RuntimeError(f"not taken: {head[:60]!r}")
    writer.close()
    await writer.wait_closed()


async def measure(port: int, process: int, count: int, kind: str, concurrency: int) -> Measured:
    """Send so many notices with so many under way at a time."""
    waiting, seconds = iter(deliveries(count, kind)), list[float]()
    cpu, began = cpu_seconds(process), time.perf_counter()
    await asyncio.gather(*(send(port, waiting, seconds) for _ in range(concurrency)))
    took = time.perf_counter() - began
    return Measured(
        count / took,
        statistics.quantiles(seconds, n=100)[98] * 1000,
        (cpu_seconds(process) - cpu) / count * 1e6,
    )


@asynccontextmanager
async def started(name: str) -> AsyncIterator[tuple[int, int]]:
    """Start a server's process; give its port and its id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.webhooks",
        "--serve",
        name,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for
    yield int(await process.stdout.readline()), process.pid
    process.terminate()
    await process.wait()


Table = dict[tuple[str, str, int], list[Measured]]


async def measure_all(rounds: int, count: int) -> Table:
    """Measure every server with every kind of notice, in shuffled rounds, after a warm-up."""
    table: Table = {}
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(started(name)) for name in SERVERS}
        for port, process in servers.values():
            await measure(port, process, 100, "known", 10)
        for _ in range(rounds):
            cells = [
                (name, kind, concurrency)
                for name in SERVERS
                for kind in KINDS
                for concurrency in CONCURRENCY
            ]
            random.shuffle(cells)
            for name, kind, concurrency in cells:
                measured = await measure(*servers[name], count, kind, concurrency)
                table.setdefault((name, kind, concurrency), []).append(measured)
    return table


# The table --------------------------------------------------------------------------------------

FIGURES = ("per_second", "p99_ms", "cpu_us")


def show(table: Table) -> None:
    """Print the figures, and ours as a multiple of the bare handler's."""
    print(f"{'server':<16} {'run':<8} {'at once':>7} {'per s':>9} {'p99 ms':>9} {'CPU us':>9}")
    for kind in KINDS:
        for concurrency in CONCURRENCY:
            rows = {
                name: [
                    statistics.median(
                        getattr(each, figure) for each in table[name, kind, concurrency]
                    )
                    for figure in FIGURES
                ]
                for name in SERVERS
            }
            rows["ours as multiple"] = [
                mine / max(theirs, 1e-9)
                for mine, theirs in zip(rows["ours"], rows["bare"], strict=True)
            ]
            for name, figures in rows.items():
                print(
                    f"{name:<16} {kind:<8} {concurrency:>7} "
                    + " ".join(f"{figure:>9.2f}" for figure in figures)
                )


def main() -> int:
    """Run as a server or as the client."""
    arguments = argparse.ArgumentParser(description="Measure the intake of notices.")
    arguments.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    arguments.add_argument(
        "--quick",
        action="store_true",
        help="one round with few notices: it shows that it works, not how fast",
    )
    asked = arguments.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.serve))
        return 0
    show(
        asyncio.run(
            measure_all(rounds=1, count=300) if asked.quick else measure_all(rounds=7, count=1500)
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
