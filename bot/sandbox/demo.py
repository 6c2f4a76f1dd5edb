"""The whole product in a browser: a workspace, a world and the real bot as a process of its own, on
127.0.0.1, thrown away afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from string import Template

import aiohttp

from bot.adopting import adopt
from bot.domain.errors import GonogoError
from bot.sandbox.page import page_routes
from bot.sandbox.restarts import kept_alive
from bot.sandbox.story import play_story
from bot.sandbox.workspace import Channel, User, Workspace
from bot.sandbox.world import World
from bot.sandbox.world.process import start_process, stop_process
from bot.settings import Settings

CHANNEL = "C0DEPLOYS"
PEOPLE = (
    User("U0ANA", "ana", "developer, asks for deployments"),
    User("U0BO", "bo", "on call, leads deployments"),
    User("U0CY", "cy", "release manager and qa, approves"),
    User("U0DI", "di", "support, an outsider to deployments"),
)
LIVE = {"staging": "v1.1.0", "production": "v1.0.0"}
FIRST_COMMAND = "/deploy storefront v1.1.0 to production"
START_LIMIT = 90.0
"""Seconds that the bot has to start, also on a machine that is busy with other things."""

GUIDE: Mapping[str, object] = {
    "title": "Your first deployment",
    "intro": (
        "A real bot, a real repository, a real staging and production under load. Nothing "
        "here leaves this machine."
    ),
    "steps": [
        {
            "title": "Ask for a good version",
            "text": "v1.1.0 is live on staging. Ask for it in production and read the card.",
            "act_as": "ana",
            "command": FIRST_COMMAND,
        },
        {
            "title": "Take the call",
            "text": "Press Acknowledge on the card, then Tick what product answers for.",
            "act_as": "bo",
            "command": "",
        },
        {
            "title": "Brief support",
            "text": "Press Tick and confirm that support is briefed.",
            "act_as": "di",
            "command": "",
        },
        {
            "title": "Check and approve",
            "text": (
                "Press Tick for qa, then Approve. Try Approve as ana too: the "
                "bot refuses and says why."
            ),
            "act_as": "cy",
            "command": "",
        },
        {
            "title": "Watch the canary",
            "text": (
                "5 %, 25 %, 100 %, each with a smoke test and numbers. The thread has the detail."
            ),
            "act_as": "ana",
            "command": "",
        },
        {
            "title": "Put a bad version on staging",
            "text": "v1.2.0 looks fine there: its tests and its smoke test pass.",
            "act_as": "ana",
            "command": "/deploy storefront v1.2.0 to staging",
        },
        {
            "title": "Ask for it in production",
            "text": "Acknowledge, tick and approve as before. Real traffic shows what is wrong.",
            "act_as": "ana",
            "command": "/deploy storefront v1.2.0 to production",
        },
        {
            "title": "Click without the right",
            "text": (
                "When the card says DEGRADED, press Roll back. The bot refuses and names the lead."
            ),
            "act_as": "di",
            "command": "",
        },
        {
            "title": "Roll back",
            "text": "Press Roll back and confirm. v1.1.0 has all of the traffic again at once.",
            "act_as": "bo",
            "command": "",
        },
    ],
    "links": [],
}


COMING_UP = (
    "A workspace, a repository with its pipeline and a bot are brought up; that takes some seconds."
)


@dataclass(slots=True)
class Stage:
    """What the demo stands on."""

    workspace: Workspace
    world: World
    settings: Mapping[str, str]
    log: Path
    url: str
    """Of the bot."""


async def demo(*, port: int, play: bool, browser: bool) -> int:
    """Run the demo until it is told to stop, or play its story once; give the exit code."""
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    async with AsyncExitStack() as stack:
        showing = asyncio.create_task(_show(stack, port, play=play, browser=browser), name="demo")
        stopping = asyncio.create_task(stopped.wait(), name="stop")
        await asyncio.wait([showing, stopping], return_when=asyncio.FIRST_COMPLETED)
        await _cancel(stopping)
        if showing.done():
            return showing.result()
        await _cancel(showing)
        return 130 if play else 0


async def _show(stack: AsyncExitStack, port: int, *, play: bool, browser: bool) -> int:
    (_say_aside if play else _say)(COMING_UP)
    stage = await _set_up(stack, port)
    bot = await _start_bot(stack, stage)
    if bot.returncode is not None:
        raise GonogoError(f"The bot ended at once. Its log: {stage.log}")
    living = kept_alive(bot, partial(_start_bot, stack, stage), _say_aside)
    if play:
        return await _play(living, stage)
    _welcome(stage, bot)
    if browser:
        await asyncio.to_thread(webbrowser.open, stage.workspace.url)
    return _died(await living, stage)


async def _play(living: Coroutine[None, None, str], stage: Stage) -> int:
    """Play the story to its end, unless the bot cannot live."""
    played = asyncio.create_task(play_story(stage.workspace.url, CHANNEL), name="story")
    dead = asyncio.create_task(living, name="bot")
    try:
        await asyncio.wait([played, dead], return_when=asyncio.FIRST_COMPLETED)
        return played.result() if played.done() else _died(dead.result(), stage)
    finally:
        await _cancel(dead)
        await _cancel(played)


async def _cancel(
    task: asyncio.Task[bool] | asyncio.Task[int] | asyncio.Task[str] | asyncio.Task[None],
) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _set_up(stack: AsyncExitStack, port: int) -> Stage:
    folder = Path(
        stack.enter_context(
            tempfile.TemporaryDirectory(prefix="gonogo-demo-", ignore_cleanup_errors=True)
        )
    )
    world = World(folder)
    stack.push_async_callback(world.close)
    await world.start()
    bringing_up = asyncio.create_task(world.bootstrap(LIVE), name="bring up")
    stack.push_async_callback(_cancel, bringing_up)
    workspace = Workspace(
        users=PEOPLE, channels=[Channel(CHANNEL, "deploys", "What goes live, and what comes back")]
    )
    workspace.application.add_routes(page_routes(GUIDE))
    stack.push_async_callback(workspace.close)
    try:
        await workspace.start(port)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise GonogoError(
            f"Port {port} of 127.0.0.1 cannot be used: {why}. Give another one with --port, or 0."
        ) from error
    url = f"http://127.0.0.1:{_free_port()}"
    workspace.call_at(f"{url}/slack/events")
    config = folder / "gonogo.yaml"
    await asyncio.to_thread(config.write_text, _catalog(world))
    settings = _settings(workspace, folder, config, url)
    for environment, version in LIVE.items():
        await adopt(
            Settings.read(settings), service="storefront", ref=version, environment=environment
        )
    await bringing_up
    return Stage(workspace, world, settings, _new_log(), url)


def _catalog(world: World) -> str:
    text = resources.files("bot.sandbox.world").joinpath("gonogo.yaml.txt").read_text()
    places = {name: json.dumps(world.platform.metrics_of(name)) for name in LIVE}
    return Template(text).substitute(
        repository=json.dumps(str(world.repository)),
        environment=json.dumps(world.stage_environment),
        **places,
    )


def _settings(workspace: Workspace, folder: Path, config: Path, url: str) -> dict[str, str]:
    """Give the bot's environment: secrets of this sandbox, and nothing of the person's own."""
    return {
        "SLACK_BOT_TOKEN": workspace.token, "SLACK_SIGNING_SECRET": workspace.secret,
        "SLACK_API_URL": workspace.api_url,
        "GONOGO_CONFIG": str(config),
        "GONOGO_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'gonogo.db'}",
        "GONOGO_LISTEN": url.removeprefix("http://"),
        "GONOGO_WORK_DIR": str(folder / "var"), "GONOGO_POLL_SECONDS": "0.5",
        "GONOGO_AUDIT_KEY": secrets.token_urlsafe(24),
    }  # fmt: skip


def _new_log() -> Path:
    """Make a file for the bot's log; it stays when the demo is over."""
    handle, name = tempfile.mkstemp(prefix="gonogo-demo-", suffix=".log")
    os.close(handle)
    return Path(name)


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


async def _start_bot(stack: AsyncExitStack, stage: Stage) -> asyncio.subprocess.Process:
    """Start the bot as a process of its own and wait until it is ready, or has ended."""
    log = stack.enter_context(stage.log.open("ab"))
    passed_on = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")
        if name in os.environ
    }
    bot = await start_process(
        ["-m", "bot", "run"], environment={**passed_on, **stage.settings}, log=log
    )
    stack.push_async_callback(stop_process, bot)
    try:
        async with asyncio.timeout(START_LIMIT):
            while bot.returncode is None and not await _is_ready(stage.url):  # noqa: ASYNC110 - another process has no event
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise GonogoError(f"The bot did not get ready. Its log: {stage.log}") from None
    return bot


async def _is_ready(url: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
            return response.ok
    return False


def _welcome(stage: Stage, bot: asyncio.subprocess.Process) -> None:
    _say(f"The workspace is at {stage.workspace.url} (the bot's log: {stage.log}).")
    _say(f"Act as ana and type: {FIRST_COMMAND}")
    _say(
        f"The bot is process {bot.pid}. End it at any moment with kill -9: it is started again, "
        "and goes on where it stood."
    )
    _say("Ctrl-C stops everything and throws it away.")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say_aside(line: str) -> None:
    """Say it where the story's JSON lines are not."""
    sys.stderr.write(f"{line}\n")


def _died(why: str, stage: Stage) -> int:
    _say_aside(f"{why} Its log: {stage.log}")
    return 1
