"""What our fake of GitHub holds: commits, a workflow, runs that advance when they are looked at."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.providers.ci.github_app import SLUG

TEMPLATE = Path(__file__).parents[3] / "templates/ci/github/deploy.yml"
STAGES = ("build", "migrate", "release")
HELD = "held"
_EXPRESSION = re.compile(r"\$\{\{\s*inputs\.(\w+)\s*\}\}")


@cache
def _document(text: str) -> Any:
    return YAML(typ="safe").load(text)


@dataclass
class Commit:
    sha: str
    subject: str
    parent: str
    failing: int
    held: bool
    files: tuple[str, ...] = ("src/app.py",)


@dataclass
class Job:
    id: int
    name: str
    plan: str = "success"
    status: str = "queued"
    conclusion: str | None = None
    started_at: str | None = None
    completed_at: str | None = None


@dataclass
class Run:
    id: int
    workflow: str
    title: str
    event: str
    head_sha: str
    jobs: list[Job]
    created_at: str
    status: str = "queued"
    conclusion: str | None = None
    attempt: int = 1
    cancelling: bool = False
    rule: str = ""
    """The environment whose protection rule it waits at."""
    rule_answers: list[dict[str, str]] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    branch: str = "main"
    is_of_fork: bool = False
    started_at: str = ""
    """Of the newest attempt, where it is not the first."""

    @property
    def suite(self) -> int:
        return self.id + 7_000_000


@dataclass
class Pull:
    number: int
    commit: str
    merged: bool = True
    reviews: list[tuple[str, str]] = field(default_factory=list)
    """Who said what, in the order of time."""


@dataclass
class Workflow:
    """A workflow file, understood as far as a start depends on it."""

    id: int
    text: str
    state: str = "active"

    @property
    def inputs(self) -> dict[str, Any]:
        found: dict[str, Any] = (
            _document(self.text)["on"].get("workflow_dispatch", {}).get("inputs", {})
        )
        return found

    @property
    def is_dispatched(self) -> bool:
        return "workflow_dispatch" in _document(self.text)["on"]

    def title(self, inputs: dict[str, str]) -> str:
        """Run names are expressions over the inputs; without one, a dispatched run is
        called like its workflow.
        """
        document = _document(self.text)
        values = {name: str(each.get("default", "")) for name, each in self.inputs.items()} | inputs
        return _EXPRESSION.sub(
            lambda found: values.get(found[1], ""), document.get("run-name") or document["name"]
        )


class World:
    """One repository."""

    def __init__(self, name: str = "acme/shop") -> None:
        self.name = name
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.changed: list[dict[str, str]] = [{"filename": "src/app.py", "status": "modified"}]
        """The files in which any two commits differ."""
        self.workflows = {
            "ci.yml": Workflow(1, "name: CI\non:\n  push:\n"),
            "deploy.yml": Workflow(2, TEMPLATE.read_text()),
        }
        self.runs: list[Run] = []
        self.statuses: dict[str, list[dict[str, str]]] = {}
        self.deployments: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []
        self.scanned: list[str | None] | None = None
        """The security severities of the open alerts of code scanning; None where it is off."""
        self.advisories: list[str] | None = None
        """The severities of Dependabot's open alerts; None where it is off."""
        self.pulls: list[Pull] = []
        self.default_branch = "main"
        self.ruled: list[str] | None = []
        """The checks that a ruleset requires on the default branch; None where
        the plan has no rulesets.
        """
        self.protected: list[str] = []
        """The checks that the branch's older kind of protection requires."""
        self.rules: dict[str, str] = {}
        """By input environment: GitHub's environment before whose job a
        protection rule of our App stands.
        """
        self.foreign_rules: dict[str, list[str]] = {}
        """By environment at GitHub: the Apps of others whose protection rules are switched on."""
        self.also_reviewed = False
        self.skew = timedelta()
        self.hidden_for = 0
        """How many times a list of runs still leaves the newest out: lists are a moment behind."""
        self.broken: set[tuple[str, str, str]] = set()
        """The actions, environments and commits whose first job fails."""
        self._on = "main"
        self._ids = 30_000_000_000

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    def time(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def http_time(self) -> str:
        return format_datetime(self.now(), usegmt=True)

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    # Commits

    def commit(self, subject: str, *, failing: int = -1, held: bool = False) -> str:
        parent = self.branches.get(self._on, "")
        sha = hashlib.sha1(
            f"{subject}{parent}{len(self.commits)}".encode(), usedforsecurity=False
        ).hexdigest()
        self.commits[sha] = Commit(sha, subject, parent, failing, held)
        self.branches[self._on] = sha
        return sha

    def branch(self, name: str, start: str) -> None:
        self.branches[name] = start
        self._on = name

    def find(self, ref: str) -> str:
        """Resolve as ``GET /commits/{ref}`` does: heads/NAME, tags/NAME, a branch or tag, a commit
        of 4 characters or more.
        """
        if ref in self.commits:
            return ref  # as git reads it: GitHub refuses tags and branches of 40 hexadecimal digits
        for prefix, names in (("heads/", self.branches), ("tags/", self.tags)):
            if ref.startswith(prefix) and ref.removeprefix(prefix) in names:
                found = names[ref.removeprefix(prefix)]
                return found if found in self.commits else ""  # a tag may stand at a blob
        short = [sha for sha in self.commits if len(ref) >= 4 and sha.startswith(ref)]
        return self.branches.get(ref) or self.tags.get(ref) or (short[0] if len(short) == 1 else "")

    def between(self, base: str, head: str) -> list[Commit]:
        """What head has and base has not, oldest first."""
        theirs = set(self.line(base))
        return [self.commits[sha] for sha in reversed(self.line(head)) if sha not in theirs]

    def line(self, sha: str) -> list[str]:
        line = []
        while sha:
            line.append(sha)
            sha = self.commits[sha].parent
        return line

    # Runs

    def test(
        self,
        sha: str,
        conclusion: str | None,
        *,
        name: str = "unit",
        event: str = "push",
        branch: str = "main",
    ) -> Run:
        """Run the tests of a commit; None leaves them running."""
        run = Run(
            self.new_id(),
            "ci.yml",
            "CI",
            event,
            sha,
            [Job(self.new_id(), name)],
            self.time(),
            branch=branch,
        )
        self.runs.append(run)
        if conclusion is None:
            run.status = run.jobs[0].status = "in_progress"
        else:
            self._end(run, conclusion)
            self._close(run.jobs[0], conclusion)
        if conclusion == "action_required":  # a maintainer has to let it run: it has no jobs yet
            run.jobs.clear()
        return run

    def rerun(self, run: Run, jobs: Sequence[Job]) -> None:
        """Begin a new attempt of a run with these jobs; the id stays [docs] "Re-run a workflow"."""
        run.attempt, run.status, run.conclusion, run.started_at = (
            run.attempt + 1,
            "queued",
            None,
            self.time(),
        )
        for job in jobs:
            job.id, job.status, job.conclusion, job.started_at, job.completed_at = (
                self.new_id(),
                "queued",
                None,
                None,
                None,
            )

    def add_job(self, run: Run, name: str, conclusion: str) -> None:
        """Add another job that has ended."""
        run.jobs.append(Job(self.new_id(), name))
        self._close(run.jobs[-1], conclusion)

    def finish(self, run: Run, conclusion: str) -> None:
        """Let a run of tests end."""
        for job in run.jobs:
            if job.status != "completed":
                self._close(job, conclusion)
        self._end(run, conclusion)

    def dispatch(self, workflow: str, ref: str, inputs: dict[str, str]) -> Run:
        file = self.workflows[workflow]
        commit = self.commits.get(inputs.get("commit", ""), Commit("", "", "", -1, held=False))
        plans = [
            "failure" if commit.failing == index else "success" for index, _ in enumerate(STAGES)
        ]
        if commit.held:
            plans[-1] = HELD
        if (inputs.get("action", ""), inputs.get("environment", ""), commit.sha) in self.broken:
            plans[0] = "failure"
        jobs = [Job(self.new_id(), name, plan) for name, plan in zip(STAGES, plans, strict=True)]
        head = self.branches.get(ref) or self.tags[ref]
        run = Run(
            self.new_id(),
            workflow,
            file.title(inputs),
            "workflow_dispatch",
            head,
            jobs,
            self.time(),
            inputs=inputs,
            branch=ref,
        )
        self.runs.append(run)
        return run

    def tick(self, run: Run) -> None:
        """Let a run go on by one step, as runs do while one looks away."""
        if run.status in {"completed", "waiting"} or run.workflow == "ci.yml":
            return
        if run.cancelling:
            self._stop(run)
            return
        run.status = "in_progress"
        for job in run.jobs:
            if job.status == "in_progress" and job.plan != HELD:
                self._close(job, job.plan)
            if job.status == "in_progress" or job.conclusion == "failure":
                break
            if job.status == "queued" and job is run.jobs[-1] and self._protects(run):
                job.status = run.status = "waiting"
                return
            if job.status == "queued":
                job.status, job.started_at = "in_progress", self.time()
                return
        if any(job.conclusion == "failure" for job in run.jobs):
            self._skip(run.jobs)
            self._end(run, "failure")
        elif all(job.status == "completed" for job in run.jobs):
            self._end(run, "success")

    def rules_at(self, environment: str) -> list[str] | None:
        """Name the Apps that are asked before a job of an environment; None where
        there is no such environment.
        """
        ours = [SLUG for each in self.rules.values() if each.casefold() == environment.casefold()]
        return (
            [*ours, *self.foreign_rules.get(environment, ())]
            if ours or environment in self.foreign_rules
            else None
        )

    def _protects(self, run: Run) -> bool:
        run.rule = self.rules.get(run.inputs.get("environment", ""), "")
        return bool(run.rule) and not run.rule_answers

    def answer_rule(self, run: Run, answer: dict[str, str]) -> None:
        """Take an answer to a protection rule; reviewers, where there are any, are
        waited for all the same.
        """
        run.rule_answers.append(answer)
        if not self.also_reviewed:
            run.jobs[-1].status, run.status = "queued", "in_progress"

    def _stop(self, run: Run) -> None:
        for job in run.jobs:
            if job.status == "in_progress":
                self._close(job, "cancelled")
        self._skip(run.jobs)
        self._end(run, "cancelled")

    def _skip(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.status != "completed":
                self._close(job, "skipped")

    def _close(self, job: Job, conclusion: str) -> None:
        job.status, job.conclusion = "completed", conclusion
        job.started_at, job.completed_at = job.started_at or self.time(), self.time()

    def _end(self, run: Run, conclusion: str) -> None:
        run.status, run.conclusion = "completed", conclusion

    def propose(self, title: str, conclusion: str) -> Run:
        """Run the workflow for a fork's pull request, which gives the run its title and may have
        put ``on: pull_request`` into the file.
        """
        run = Run(
            self.new_id(),
            "deploy.yml",
            title,
            "pull_request",
            "f" * 40,
            [Job(self.new_id(), "x")],
            self.time(),
            is_of_fork=True,
        )
        self._end(run, conclusion)
        self._close(run.jobs[0], conclusion)
        self.runs.append(run)
        return run

    def offer(self, subject: str, parent: str = "") -> str:
        """Push a commit to a fork: the repository shows it too, and no branch or tag holds it."""
        sha = hashlib.sha1(f"fork {subject}".encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = Commit(sha, subject, parent, -1, held=False)
        return sha

    def deploy_runs(self) -> list[Run]:
        return [run for run in self.runs if run.workflow == "deploy.yml"]
