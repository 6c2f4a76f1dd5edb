"""What stands behind the fake GitLab: commits, refs, pipelines and jobs. A pipeline goes on by
itself whenever somebody looks at it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

STAGES = ("build", "migrate", "release")
OVER = frozenset({"success", "failed", "canceled", "skipped"})


@dataclass
class Commit:
    sha: str
    parent: str
    subject: str
    author: str = "ana"
    failing: int = -1
    held: bool = False
    gated: bool = False


@dataclass
class Job:
    id: int
    name: str
    stage: str
    status: str = "created"
    failing: bool = False
    held: bool = False
    manual: bool = False
    allow_failure: bool = False
    failure_reason: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    downstream: dict[str, Any] | None = None
    """Only bridges have one."""

    def go_on(self, now: str) -> None:
        """Take one step; what is held stays where it is."""
        if self.status == "created" and self.manual:
            self.status = "manual"
        elif self.status == "created":
            self.status = "pending"
        elif self.status == "pending":
            self.status, self.started_at = "running", now
        elif self.status == "running" and not self.held:
            self.status, self.finished_at = ("failed" if self.failing else "success"), now
            self.failure_reason = "script_failure" if self.failing else None

    @property
    def counts_as(self) -> str:
        """The state that counts for the pipeline (doc/ci/yaml/_index.md,
        allow_failure and when: manual).
        """
        if self.allow_failure and self.status in {"failed", "manual"}:
            return "success"
        return self.status


@dataclass
class Pipeline:
    id: int
    sha: str
    ref: str
    source: str
    variables: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    jobs: list[Job] = field(default_factory=list)
    tests: dict[str, int] | None = None
    unread: str = ""
    """The job whose test report GitLab could not parse."""
    status_is: str = ""
    """Overrides the state that follows from the jobs."""
    stubborn: bool = False
    """Cannot be cancelled, as when its runner is gone."""
    created_at: str = ""
    updated_at: str = ""

    @property
    def status(self) -> str:
        """Derive the state from the newest job of each name (Gitlab::Ci::Status::Composite)."""
        newest = {job.name: job for job in sorted(self.jobs, key=lambda job: job.id)}
        states = [job.counts_as for job in newest.values()]
        if self.status_is:
            return self.status_is
        for open_state in ("running", "canceling", "manual"):
            if open_state in states:
                return open_state
        begun = any(state in {"success", "failed"} for state in states)
        if {"pending", "created"} & set(states):
            return "running" if begun else "pending" if "pending" in states else "created"
        return next(
            (state for state in ("failed", "canceled", "success") if state in states), "skipped"
        )

    def go_on(self, now: str) -> None:
        """Take one step: the first job that is open goes on; after a
        failure the rest is skipped.
        """
        if self.status in OVER:
            return
        self.updated_at = now
        for job in {job.name: job for job in sorted(self.jobs, key=lambda job: job.id)}.values():
            if job.counts_as == "failed":
                self._skip_rest()
                return
            if job.counts_as not in OVER:
                job.go_on(now)
                if job.counts_as == "failed":
                    self._skip_rest()
                return

    def _skip_rest(self) -> None:
        for job in self.jobs:
            if job.status == "created":
                job.status = "skipped"

    def cancel(self, now: str) -> None:
        """Cancel what is open; nothing happens to what is over."""
        for job in self.jobs:
            if job.status not in OVER and not self.stubborn:
                job.status, job.finished_at = "canceled", now


class World:
    """One project."""

    def __init__(self) -> None:
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.on = self.default = "main"
        self.pipelines: dict[int, Pipeline] = {}
        self.freeze_periods: list[dict[str, Any]] = []
        self.named = True
        """Whether .gitlab-ci.yml has workflow: name."""
        self.skew = timedelta()
        """How far GitLab's clock is off."""
        self.deploys: dict[int, str] = {}
        """The environments of jobs that have one of their own, by the jobs' ids."""
        self.broken: set[tuple[str, str, str]] = set()
        """The actions, environments and commits whose first job fails."""
        self._ids = count(101)

    def now(self) -> str:
        """Give the time as GitLab writes it."""
        return self.ago(timedelta())

    def ago(self, age: timedelta) -> str:
        """Give an earlier time."""
        return (datetime.now(UTC) + self.skew - age).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def freeze(self, start: str, end: str, zone: str = "UTC") -> None:
        """Add a freeze period (doc/api/freeze_periods.md, example response)."""
        period = {
            "freeze_start": start,
            "freeze_end": end,
            "cron_timezone": zone,
            "created_at": self.now(),
            "updated_at": self.now(),
        }
        self.freeze_periods.append({"id": len(self.freeze_periods) + 1, **period})

    def commit(
        self,
        subject: str,
        *,
        failing: int = -1,
        held: bool = False,
        tests: str = "",
        gated: bool = False,
    ) -> str:
        """Commit on the current branch, and run the tests as a push does."""
        parent = self.branches.get(self.on, "")
        sha = hashlib.sha1(
            f"{len(self.commits)} {subject} {parent}".encode(), usedforsecurity=False
        ).hexdigest()
        self.commits[sha] = Commit(sha, parent, subject, failing=failing, held=held, gated=gated)
        self.branches[self.on] = sha
        if tests:
            self.tested(sha, good=tests == "true")
        return sha

    def rename_default(self, name: str) -> None:
        """Give the default branch another name."""
        self.branches[name] = self.branches.pop(self.default)
        self.on = self.default = name

    def propose(self, subject: str) -> str:
        """Have somebody propose a commit from a fork: it is there, on no branch and at no tag
        (refs/merge-requests/…/head).
        """
        sha = hashlib.sha1(
            f"{len(self.commits)} {subject}".encode(), usedforsecurity=False
        ).hexdigest()
        self.commits[sha] = Commit(sha, self.branches.get(self.on, ""), subject)
        return sha

    def tested(self, sha: str, *, good: bool) -> Pipeline:
        """Begin the pipeline of a push."""
        figures = {
            "count": 12,
            "success": 12 if good else 11,
            "failed": 0 if good else 1,
            "skipped": 0,
            "error": 0,
        }
        unit = Job(next(self._ids), "unit", "test", failing=not good)
        return self._add(
            Pipeline(next(self._ids), sha, self.on, "push", jobs=[unit], tests=figures)
        )

    def begin(self, ref: str, variables: dict[str, str], source: str = "api") -> Pipeline:
        """Begin a pipeline as .gitlab-ci.yml of the template says."""
        correlation = variables.get("GONOGO_CORRELATION", "")
        commit = self.commits[
            variables.get("GONOGO_COMMIT", "") or self.branches.get(ref) or self.tags[ref]
        ]
        jobs = [
            Job(next(self._ids), f"{stage} it", stage, failing=index == commit.failing)
            for index, stage in enumerate(STAGES)
        ]
        jobs[-1].held, jobs[-1].manual = commit.held, commit.gated
        jobs[0].failing |= (
            variables.get("GONOGO_ACTION", ""),
            variables.get("GONOGO_ENVIRONMENT", ""),
            commit.sha,
        ) in self.broken
        name = f"gonogo {correlation}" if self.named and correlation else None
        sha = self.branches.get(ref) or self.tags[ref]
        return self._add(Pipeline(next(self._ids), sha, ref, source, variables, name, jobs))

    def retry(self, pipeline: Pipeline, name: str) -> Job:
        """Retry a job: a new one with the same name and a higher id
        (doc/api/jobs.md, include_retried).
        """
        old = max((job for job in pipeline.jobs if job.name == name), key=lambda job: job.id)
        new = Job(next(self._ids), old.name, old.stage)
        pipeline.jobs.append(new)
        return new

    def bridge(self, pipeline: Pipeline, name: str, stage: str, status: str) -> Job:
        """Add a trigger job with its child pipeline."""
        child = {
            "id": next(self._ids),
            "status": status,
            "web_url": "https://gitlab.example.com/child",
        }
        job = Job(
            next(self._ids),
            name,
            stage,
            status="running" if status not in OVER else status,
            held=True,
            downstream=child,
        )
        pipeline.jobs.append(job)
        return job

    def _add(self, pipeline: Pipeline) -> Pipeline:
        pipeline.created_at = pipeline.updated_at = self.now()
        self.pipelines[pipeline.id] = pipeline
        return pipeline

    def line(self, sha: str) -> list[str]:
        """List a commit and its ancestors, newest first."""
        found = []
        while sha:
            found.append(sha)
            sha = self.commits[sha].parent
        return found

    def sha_of(self, ref: str) -> str:
        """Resolve as ``git rev-parse`` does; empty for what does not exist."""
        if ref == "HEAD":
            return self.branches[self.default]
        if ref in self.commits:  # a whole id is never taken for a name
            return ref
        short = [sha for sha in self.commits if len(ref) >= 4 and sha.startswith(ref)]
        return self.tags.get(ref) or self.branches.get(ref) or (short[0] if len(short) == 1 else "")
