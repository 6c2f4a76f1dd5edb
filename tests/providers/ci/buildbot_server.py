"""A real Buildbot on this machine: one master and one worker for a whole test session, under the
master.cfg that we ship.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "templates" / "ci" / "buildbot"
USER, PASSWORD, WEBHOOK_SECRET = "gonogo", "a-password", "a-webhook-secret"
ENVIRONMENTS = ["staging", "production"]
LENT = "storefront"
"""A service whose scripts stand outside its repository, for those who bring a repository along."""
SERVICES = ("shop", "cellar", LENT)
ATTEMPTS = 3
PREFIX = "gonogo-buildbot-"
PORTS = range(20_000, 32_000)
"""Below those that a system gives to whoever asks for any."""
CARELESS = """
# What a team may have had before it read our how-to: a button that drops what it is told, one that forgets why it was pressed, and one that
# has its own idea of the commit.
_SHOP = GIVEN["services"]["shop"]
_FIELDS = [word(each) for each in ("correlation_id", "action", "environment", "percent", "version", "strategy", "deployment", "commit")]
_COMMIT = util.StringParameter(name="revision")
_OTHER = [util.CodebaseParameter("", branch=None, project=None, repository=_SHOP["repository"], revision=_COMMIT)]


class _Stubborn(schedulers.ForceScheduler):
    def addBuildsetForSourceStampsWithDefaults(self, *, sourcestamps, **others):
        stamps = [{**each, "revision": "0" * 40} for each in sourcestamps]
        return super().addBuildsetForSourceStampsWithDefaults(sourcestamps=stamps, **others)


c["schedulers"] += [
    schedulers.ForceScheduler(name="bare", builderNames=["deploy-shop"], codebases=_OTHER),
    schedulers.ForceScheduler(name="forgetful", builderNames=["deploy-shop"], codebases=_OTHER, properties=_FIELDS, reasonString="pressed"),
    _Stubborn(name="stubborn", builderNames=["deploy-shop"], codebases=_OTHER, properties=_FIELDS, reasonString="%(reason)s"),
]
"""


_SHARED: list[Server] = []


def shared() -> Server:
    """Give this process's one Buildbot; the first who asks starts it. Its environment must be
    named: a run takes minutes.
    """
    venv = os.environ.get("GONOGO_BUILDBOT_VENV")
    if venv is None:
        pytest.skip("no Buildbot was named: run make test-buildbot")
    if not _SHARED:
        _SHARED.append(_started(Path(venv)))
        atexit.register(stop_shared)
    return _SHARED[0]


def _started(venv: Path) -> Server:
    """Start a Buildbot; a port that somebody else took meanwhile is no reason to give up."""
    for left in reversed(range(ATTEMPTS)):
        server = Server(venv)
        try:
            server.start()
        except RuntimeError:
            server.stop()
            if not left:
                raise
        else:
            return server
    raise AssertionError


def stop_shared() -> None:
    """End this process's Buildbot, if there is one."""
    while _SHARED:
        _SHARED.pop().stop()


class Server:
    """A master and its worker in a folder of their own."""

    def __init__(self, venv: Path) -> None:
        memory = Path("/dev/shm")  # noqa: S108 - a disk that takes no time, where there is one
        place = memory if memory.is_dir() else Path(tempfile.gettempdir())
        _sweep(place)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
        self.repositories = self.folder / "repositories"
        self.port, self.worker_port, self.webhook_port = (_free_port() for _ in range(3))
        self.url = f"http://127.0.0.1:{self.port}"
        self._bin = (venv / "bin").absolute()
        self._running: list[subprocess.Popen[bytes]] = []
        self._cookie = ""

    def start(self) -> None:
        self._make_master()
        self._run("buildbot", "start", "--nodaemon", "master")
        self._make_worker()
        self._until(self._answers, "its pages")
        self.start_worker()
        self._log_in()

    def start_worker(self) -> None:
        self._run("buildbot-worker", "start", "--nodaemon", "worker")
        self._until(self._has_worker, "a connected worker")

    def kill_worker(self) -> None:
        """Let the worker's machine lose its power."""
        worker = self._running.pop()
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self._until(lambda: not self._has_worker(), "a lost worker")

    def _make_master(self) -> None:
        self.repositories.mkdir(parents=True)
        self._do("buildbot", "create-master", "--quiet", "master")
        master = self.folder / "master"
        (master / "master.cfg").write_text((TEMPLATE / "master.cfg").read_text() + CARELESS)
        services = {
            name: {"repository": str(self.repositories / name), "environments": ENVIRONMENTS}
            for name in SERVICES
        }
        services[LENT] |= {"script": str(self.folder / "deploy-lent"), "tests": "true"}
        given = {
            "url": f"{self.url}/",
            "port": f"tcp:{self.port}:interface=127.0.0.1",
            "worker_port": f"tcp:{self.worker_port}:interface=127.0.0.1",
            "webhook": f"http://127.0.0.1:{self.webhook_port}/webhooks/ci/buildbot",
            "services": services,
        }
        (master / "gonogo.json").write_text(json.dumps(given))
        (master / "secrets").mkdir(mode=0o700)
        for name, value in (
            ("user", USER),
            ("password", PASSWORD),
            ("worker", "a-worker-password"),
            ("webhook", WEBHOOK_SECRET),
        ):
            (master / "secrets" / name).write_text(value)

    def _make_worker(self) -> None:
        self._do(
            "buildbot-worker",
            "create-worker",
            "--quiet",
            "worker",
            f"127.0.0.1:{self.worker_port}",
            "deployer",
            "a-worker-password",
        )

    def _do(self, *command: str) -> None:
        subprocess.run(
            [str(self._bin / command[0]), *command[1:]],
            cwd=self.folder,
            check=True,
            capture_output=True,
            env=_environment(),
        )

    def _run(self, *command: str) -> None:
        """Start a process that ends with us, however we end."""
        mortal = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
        with (self.folder / f"{command[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [*mortal, str(self._bin / command[0]), *command[1:]],
                cwd=self.folder, env=_environment(), stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._running.append(process)

    def stop(self) -> None:
        """End both, and all that they have started."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("/builders")["builders"])
        except OSError:
            return False

    def _has_worker(self) -> bool:
        return bool(self.ask("/workers")["workers"][0]["connected_to"])

    def _until(self, holds: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline or any(
                process.poll() is not None for process in self._running
            ):
                raise RuntimeError(f"Buildbot did not reach {what}:\n{self._log()}")
            time.sleep(0.1)

    def _log(self) -> str:
        logs = (
            self.folder / each
            for each in (
                "buildbot.log",
                "master/twistd.log",
                "buildbot-worker.log",
                "worker/twistd.log",
            )
        )
        return "\n".join(f"{log}:\n{log.read_text()[-2000:]}" for log in logs if log.exists())

    # What a person with a browser could do ------------------------------------------------------

    def _log_in(self) -> None:
        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        keyring = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        keyring.add_password(None, self.url, USER, PASSWORD)
        opener = urllib.request.build_opener(Stay, urllib.request.HTTPBasicAuthHandler(keyring))
        try:
            opener.open(f"{self.url}/auth/login", timeout=10)
        except urllib.error.HTTPError as moved:
            with moved:
                self._cookie = (moved.headers.get_all("Set-Cookie") or [""])[-1].partition(";")[0]

    def ask(self, path: str, body: Any = None) -> Any:
        """Read something, or call a method of it, as the deployer."""
        data = None if body is None else json.dumps({"jsonrpc": "2.0", "id": 1, **body}).encode()
        headers = {"Content-Type": "application/json", "Cookie": self._cookie}
        request = urllib.request.Request(f"{self.url}/api/v2{path}", data=data, headers=headers)  # noqa: S310 - our own http address
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def force(self, scheduler: str, **params: Any) -> Any:
        """Press a button of a force scheduler."""
        return self.ask(f"/forceschedulers/{scheduler}", {"method": "force", "params": params})[
            "result"
        ]

    def check(self, folder: Path) -> str:
        """Have Buildbot check the configuration that we ship, as it is shipped."""
        command = [str(self._bin / "buildbot"), "checkconfig", str(folder / "master.cfg")]
        said = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=_environment()
        )
        return said.stdout + said.stderr

    def count(self, builder: str) -> int:
        """Count what a builder has been asked for."""
        number = self.ask(f"/builders?name={builder}")["builders"][0]["builderid"]
        return len(
            self.ask(f"/builders/{number}/buildrequests?field=buildrequestid")["buildrequests"]
        )

    def rebuild(self, request: int) -> None:
        """Press the button that builds something once more."""
        build = self.ask(f"/buildrequests/{request}/builds")["builds"][0]
        self.ask(f"/builds/{build['buildid']}", {"method": "rebuild", "params": {}})

    def lend(self, repository: Path, script: str) -> None:
        """Let the service ``LENT`` be somebody's repository, deployed by a script of theirs."""
        (self.repositories / LENT).unlink(missing_ok=True)
        (self.repositories / LENT).symlink_to(repository)
        (self.folder / "deploy-lent").write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / "deploy-lent").chmod(0o700)

    def tested(self, builder: str, commit: str) -> None:
        """Have a commit tested, and wait for the end of it."""
        (request,) = self.force(builder, revision=commit)[1].values()
        self._until(
            lambda: self.ask(f"/buildrequests/{request}")["buildrequests"][0]["complete"],
            "the end of the tests",
        )

    def newest(self, builder: str) -> int:
        """Give the number of a builder's newest request; 0 for none."""
        found = self.ask(f"/builders/{builder}/builds?order=-number&limit=1")["builds"]
        return int(found[0]["buildrequestid"]) if found else 0

    def open_requests(self) -> list[Any]:
        """List what is asked for and not finished, apart from tests."""
        builders = [
            each["builderid"]
            for each in self.ask("/builders")["builders"]
            if each["name"].startswith("deploy-")
        ]
        return [
            each
            for builder in builders
            for each in self.ask(f"/builders/{builder}/buildrequests?complete=false")[
                "buildrequests"
            ]
        ]

    def logs(self, request: int) -> list[str]:
        """Read every log of a request's build."""
        builds = self.ask(f"/buildrequests/{request}/builds")["builds"]
        steps = [
            step
            for build in builds
            for step in self.ask(f"/builds/{build['buildid']}/steps")["steps"]
        ]
        logs = [log for step in steps for log in self.ask(f"/steps/{step['stepid']}/logs")["logs"]]
        return [
            self.ask(f"/logs/{log['logid']}/contents")["logchunks"][0]["content"] for log in logs
        ]

    def clear(self) -> None:
        """Stop whatever is left, and let the next test not find it: in Buildbot itself
        nothing is ever forgotten.
        """
        self._until(self._is_idle, "an empty queue")
        with (
            closing(
                sqlite3.connect(self.folder / "master" / "state.sqlite", timeout=20)
            ) as database,
            database,
        ):
            database.execute("UPDATE buildsets SET reason = 'an earlier test'")

    def _is_idle(self) -> bool:
        """Stop the deployments that are under way; the queue then moves up by
        itself. Tests end on their own.
        """
        left = self.open_requests()
        for request in left:
            for build in self.ask(
                f"/buildrequests/{request['buildrequestid']}/builds?complete=false"
            )["builds"]:
                self.ask(
                    f"/builds/{build['buildid']}",
                    {"method": "stop", "params": {"reason": "the test is over"}},
                )
        return not left


def _sweep(place: Path) -> None:
    """Take away what sessions have left behind that were killed; their
    processes ended with them.
    """
    for left in place.glob(f"{PREFIX}[0-9]*-*"):
        try:
            os.kill(int(left.name.removeprefix(PREFIX).partition("-")[0]), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            continue  # somebody else's, and alive


def _environment() -> dict[str, str]:
    """Give the processes what they need and nothing of ours."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**passed, "PYTHONWARNINGS": "ignore"}


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)  # noqa: S311 - no secret
        with closing(socket.socket()) as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port
