"""How fast a command is acknowledged, and at what cost, beside a bare handler and
beside bare Bolt, in one run.

- ``floor``: aiohttp, the signature check, a fixed answer. Nothing is read and nothing is stored.
- ``bolt``: slack-bolt's AsyncApp as it comes. ``bolt early``: the same with
  ``process_before_response=True``. Nothing is stored.
- ``ours``: the verification, Bolt, the grammar, and the intent committed to SQLite
  (synchronous=FULL) before the ack. The command worker that carries commands out is not started.

Each server is a process of its own, the client another one. Rounds are interleaved and their order
is shuffled; each figure is the median over the rounds. The client waits for an answer before it
sends the next request (closed loop), so p99 is kinder than under an open flood. CPU is the server's
own user and system time, divided by the requests.

    python -m benchmarks.ack [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import hmac
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.actions import Action
from bot.domain.catalog import Catalog
from bot.domain.people import Person
from bot.ports.talk import Answer, Intent
from bot.slack.ours import Ours
from bot.storage.database import open_database
from handlers.slack import buttons, deploy, home, rollback
from handlers.slack.intake import SlackIntake, bolt_app
from handlers.slack.verification import Verifier, events_route
from handlers.web.telemetry import Telemetry

SECRET = b"a-signing-secret-for-the-benchmark"
TEAM = "T1"
CONCURRENCY = (1, 10, 50)
LIMITS = {1: 1.0, 10: 1.0, 50: 1.5}
"""How many times as slow as bare Bolt ours may be."""
PATH = "/slack/events"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


# The servers ------------------------------------------------------------------------------------


async def floor(request: web.Request) -> web.StreamResponse:
    """Check the signature and answer."""
    body = await request.read()
    base = b"v0:" + request.headers["X-Slack-Request-Timestamp"].encode() + b":" + body
    expected = "v0=" + hmac.new(SECRET, base, sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), request.headers["X-Slack-Signature"].encode()):
        return web.Response(status=401)
    return web.json_response({"response_type": "ephemeral", "text": "Understood."})


def bare_bolt(*, early: bool) -> Handler:
    """Make a Bolt application with one listener that only acknowledges."""

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None, team_id=TEAM, bot_user_id="UBOT", bot_id="B1", bot_token="xoxb-1"
        )

    app = AsyncApp(
        signing_secret=SECRET.decode(), authorize=authorize, process_before_response=early
    )

    @app.command("/deploy")
    async def understood(ack: AsyncAck) -> None:
        await ack(text="Understood.", response_type="ephemeral")

    async def events(request: web.Request) -> web.StreamResponse:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    return events


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return datetime.now(UTC)


class NoForms:
    """Dialogs, of which the measured command opens none."""

    async def deploy(self, trigger: str, person: Person, *, channel: str) -> None:
        """Open nothing."""

    async def narrow_deploy(self, view: dict[str, Any], service: str, person: Person) -> None:
        """Open nothing."""

    async def tick(
        self, trigger: str, deployment: str, person: Person, *, channel: str, shown: str = ""
    ) -> None:
        """Open nothing."""

    async def reason(
        self,
        trigger: str,
        action: Action,
        deployment: str,
        person: Person,
        *,
        channel: str,
        shown: str = "",
    ) -> None:
        """Open nothing."""

    async def show(
        self, trigger: str, action: Action, deployment: str, person: Person, *, channel: str
    ) -> None:
        """Open nothing."""

    async def home(self, person: Person) -> None:
        """Open nothing."""

    def answer(self, answer: Answer) -> dict[str, Any]:
        """Draw no more than its name."""
        return {"text": answer.name}


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[web.RouteDef]:
    """Build the door as the bot does."""
    database = await open_database(f"sqlite+aiosqlite:///{folder}/ack.db")
    clock = SystemClock()

    def leave_it(intent: Intent) -> None:
        """Carry nothing out: the ack is what is measured."""

    intake = SlackIntake(
        catalog=Catalog(TEAM, {}, {}, {}, {}),
        inbox=database.inbox,
        nudge=leave_it,
        forms=NoForms(),
        clock=clock,
    )
    app = bolt_app(AsyncWebClient(), token="xoxb-1", team=TEAM, bot_user="UBOT", bot="B1")
    for verb in (deploy, rollback, home, buttons):
        verb.register(app, intake)
    intake.serve(app, AsyncWebClient())
    gc.collect()
    gc.freeze()  # as ``bot.app.serve`` does
    yield events_route(Verifier([SECRET], Ours(TEAM), clock), intake, Telemetry())
    await intake.close()
    await database.close()


async def serve(name: str) -> None:
    """Serve one of them until told to stop; print the port."""
    async with AsyncExitStack() as stack:
        if name == "ours":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            route = await stack.enter_async_context(ours(folder))
        else:
            route = web.post(
                PATH, floor if name == "floor" else bare_bolt(early=name == "bolt early")
            )
        application = web.Application()
        application.add_routes([route])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


SERVERS = ("floor", "bolt", "bolt early", "ours")


# The client -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measured:
    """One server under one concurrency in one round."""

    p50_ms: float
    p99_ms: float
    cpu_us: float


def requests(count: int) -> list[bytes]:
    """Sign distinct commands, head and body in one piece."""
    stamp = str(int(time.time()))
    return [_request(f"{stamp}.{random.getrandbits(64):x}", stamp) for _ in range(count)]


def _request(trigger: str, stamp: str) -> bytes:
    form = {
        "token": "unused", "team_id": TEAM, "team_domain": "example",
        "channel_id": "C1", "channel_name": "deploys", "user_id": "UANA",
        "user_name": "ana", "command": "/deploy",
        "text": "storefront v1.2.0 to production", "api_app_id": "A1",
        "is_enterprise_install": "false",
        "response_url": "https://hooks.slack.com/commands/T1/1/x", "trigger_id": trigger,
    }  # fmt: skip
    body = urlencode(form).encode()
    digest = hmac.new(SECRET, b"v0:" + stamp.encode() + b":" + body, sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
        "application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\nX-Slack-Request-Timestamp: "
        f"{stamp}\r\nX-Slack-Signature: v0={digest}\r\n\r\n"
    )
    return head.encode() + body


async def send(port: int, waiting: Iterator[bytes], seconds: list[float]) -> None:
    """Send one request after the other over one connection, as long as there are any."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in waiting:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - began)
        if b" 200 " not in head[:20]:
            raise RuntimeError(f"not acknowledged: {head[:60]!r}")
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def cpu_seconds(process: int) -> float:
    """Read how much CPU time a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(port: int, process: int, count: int, concurrency: int) -> Measured:
    """Send ``count`` commands with so many under way at a time."""
    waiting, seconds = iter(requests(count)), list[float]()
    before = cpu_seconds(process)
    await asyncio.gather(*(send(port, waiting, seconds) for _ in range(concurrency)))
    used = cpu_seconds(process) - before
    cuts = statistics.quantiles(seconds, n=100)
    return Measured(cuts[49] * 1000, cuts[98] * 1000, used / count * 1e6)


@asynccontextmanager
async def started(name: str) -> AsyncIterator[tuple[int, int]]:
    """Start a server's process; give its port and its id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.ack",
        "--serve",
        name,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for
    yield int(await process.stdout.readline()), process.pid
    process.terminate()
    await process.wait()


Table = dict[tuple[str, int], list[Measured]]


async def measure_all(rounds: int, count: int) -> Table:
    """Measure every server under every concurrency, in shuffled rounds, after a warm-up."""
    table: Table = {}
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(started(name)) for name in SERVERS}
        for port, process in servers.values():
            await measure(port, process, 200, 10)
        for _ in range(rounds):
            cells = [(name, concurrency) for name in SERVERS for concurrency in CONCURRENCY]
            random.shuffle(cells)
            for name, concurrency in cells:
                table.setdefault((name, concurrency), []).append(
                    await measure(*servers[name], count, concurrency)
                )
    return table


# The table --------------------------------------------------------------------------------------


def median(measured: list[Measured], figure: str) -> float:
    """Take the median of a figure over the rounds."""
    return float(statistics.median(getattr(each, figure) for each in measured))


def ratio(table: Table, concurrency: int, figure: str, to: str) -> float:
    """Compare ours with another one."""
    return median(table["ours", concurrency], figure) / max(
        median(table[to, concurrency], figure), 1e-9
    )


def show(table: Table) -> None:
    """Print the figures, and ours as a multiple of the others."""
    print(f"{'server':<11} {'at once':>7} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8}")
    for concurrency in CONCURRENCY:
        for name in SERVERS:
            cell = table[name, concurrency]
            print(
                f"{name:<11} {concurrency:>7} "
                + " ".join(
                    f"{median(cell, figure):>8.2f}" for figure in ("p50_ms", "p99_ms", "cpu_us")
                )
            )
    print(f"\n{'ours as a multiple of':<22} {'at once':>7} {'p50':>6} {'p99':>6} {'CPU':>6}")
    for to in SERVERS[:-1]:
        for concurrency in CONCURRENCY:
            print(
                f"{to:<22} {concurrency:>7} "
                + " ".join(
                    f"{ratio(table, concurrency, each, to):>6.2f}"
                    for each in ("p50_ms", "p99_ms", "cpu_us")
                )
            )
    for concurrency, limit in LIMITS.items():
        for figure in ("p50_ms", "p99_ms"):
            found = ratio(table, concurrency, figure, "bolt")
            verdict = "yes" if found <= limit else "NO"
            print(
                f"{figure[:3]} at {concurrency:>2} at once: {found:.2f} times bare Bolt, wanted "
                f"at most {limit}: {verdict}"
            )


def main() -> int:
    """Run as a server or as the client."""
    arguments = argparse.ArgumentParser(description="Measure the ack.")
    arguments.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    arguments.add_argument(
        "--quick",
        action="store_true",
        help="one round with few requests: it shows that it works, not how fast",
    )
    arguments.add_argument("--json", type=Path, help="write the raw figures here")
    asked = arguments.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.serve))
        return 0
    table = asyncio.run(
        measure_all(rounds=1, count=300) if asked.quick else measure_all(rounds=7, count=1500)
    )
    show(table)
    if asked.json:
        raw = {
            f"{name} {concurrency}": [asdict(each) for each in cells]
            for (name, concurrency), cells in table.items()
        }
        asked.json.write_text(json.dumps(raw, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
