"""How our fake of GitHub shows what it holds, in the shapes of GitHub's OpenAPI description."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.providers.ci.github_answers import Asked
from tests.providers.ci.github_app import SLUG, Refused
from tests.providers.ci.github_shape import filled
from tests.providers.ci.github_world import Commit, Job, Pull, Run, World

WEB = "https://github.com"


class Views:
    """The world in JSON."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.installed = 4242
        self.token_lasts = timedelta(hours=1)
        """[docs] "Authenticating as a GitHub App installation"."""

    def repository(self) -> Any:
        owner, _, name = self._world.name.partition("/")
        return filled(
            "full-repository",
            name=name,
            full_name=self._world.name,
            default_branch=self._world.default_branch,
            owner=filled("simple-user", login=owner),
        )

    def installation(self) -> Any:
        return filled("installation", id=self.installed, app_slug=SLUG)

    def installation_token(self, token: str) -> Any:
        until = self._world.now() + self.token_lasts
        return filled(
            "installation-token", token=token, expires_at=until.strftime("%Y-%m-%dT%H:%M:%SZ")
        )

    def rules(self, asked: Asked) -> Any:
        apps = self._world.rules_at(asked.parts["environment_name"])
        if apps is None:
            raise Refused(404)
        shown = [
            filled(
                "deployment-protection-rule",
                enabled=True,
                app=filled("custom-deployment-rule-app", slug=slug),
            )
            for slug in apps
        ]
        return {"total_count": len(shown), "custom_deployment_protection_rules": shown}

    def deployment(self, made: dict[str, Any]) -> Any:
        told = {
            name: made[name]
            for name in ("id", "sha", "ref", "environment", "payload", "description")
        }
        return filled("deployment", task=made.get("task", "deploy"), **told)

    def web(self, run: Run) -> str:
        return f"{WEB}/{self._world.name}/actions/runs/{run.id}"

    def tag(self, name: str) -> Any:
        return filled("tag", name=name, commit={"sha": self._world.tags[name], "url": f"{WEB}/x"})

    def branches(self) -> list[Any]:
        listed = sorted(self._world.branches.items())
        return [
            filled("short-branch", name=name, commit={"sha": sha, "url": f"{WEB}/x"})
            for name, sha in listed
        ]

    def branch(self, asked: Asked) -> Any:
        sha = self._world.branches.get(asked.parts["branch"])
        if sha is None:
            raise Refused(404, "Branch not found")
        named = self._world.protected
        checks = {
            "enforcement_level": "everyone",
            "contexts": named,
            "checks": [{"context": name, "app_id": None} for name in named],
        }
        protection = {"enabled": bool(named), "required_status_checks": checks}
        commit = self.commit(self._world.commits[sha])
        return filled(
            "branch-with-protection",
            name=asked.parts["branch"],
            commit=commit,
            protected=bool(named),
            protection=protection,
        )

    def branch_rules(self) -> list[Any]:
        if self._world.ruled is None:
            raise Refused(
                403, "Upgrade to GitHub Pro or make this repository public to enable this feature."
            )  # [seen]
        where = {
            "ruleset_source_type": "Repository",
            "ruleset_source": self._world.name,
            "ruleset_id": 7,
        }
        checks = {
            "required_status_checks": [{"context": name} for name in self._world.ruled],
            "strict_required_status_checks_policy": False,
        }
        required = (
            [{"type": "required_status_checks", "parameters": checks, **where}]
            if self._world.ruled
            else []
        )
        return [{"type": "deletion", **where}, *required]

    def commit(self, commit: Commit) -> Any:
        files = [filled("diff-entry", filename=name) for name in commit.files]
        sample = filled("commit", sha=commit.sha, files=files)
        sample["commit"] = {
            **sample["commit"],
            "message": f"{commit.subject}\n\nmore",
            "author": filled("nullable-git-user", name="ana"),
        }
        return sample

    def comparison(self, base: str, head: str, page: list[Commit], *, files: bool) -> Any:
        ahead, behind = len(self._world.between(base, head)), len(self._world.between(head, base))
        status = (
            "identical"
            if base == head
            else "diverged"
            if ahead and behind
            else "ahead"
            if ahead
            else "behind"
        )
        return filled(
            "commit-comparison",
            status=status,
            ahead_by=ahead,
            behind_by=behind,
            total_commits=ahead,
            html_url=f"{WEB}/{self._world.name}/compare/{base}...{head}",
            commits=[self.commit(each) for each in page],
            files=[filled("diff-entry", **each) for each in self._world.changed[:300]]
            if files and ahead
            else [],
        )

    def run(self, run: Run) -> Any:
        workflow = self._world.workflows[run.workflow]
        return filled(
            "workflow-run",
            id=run.id,
            name=run.workflow.partition(".")[0],
            display_title=run.title,
            event=run.event,
            path=f".github/workflows/{run.workflow}",
            workflow_id=workflow.id,
            status=run.status,
            conclusion=run.conclusion,
            head_sha=run.head_sha,
            check_suite_id=run.suite,
            run_attempt=run.attempt,
            created_at=run.created_at,
            run_started_at=run.started_at or run.created_at,
            updated_at=run.created_at,
            html_url=self.web(run),
            head_branch=run.branch,
            repository=filled("minimal-repository", id=1, full_name=self._world.name),
            head_repository=filled(
                "minimal-repository", id=2 if run.is_of_fork else 1, fork=run.is_of_fork
            ),
        )

    def workflow(self, name: str) -> Any:
        workflow = self._world.workflows[name]
        return filled(
            "workflow", id=workflow.id, path=f".github/workflows/{name}", state=workflow.state
        )

    def job(self, run: Run, job: Job) -> Any:
        names = ["Set up job", f"Do {job.name}", "Complete job"]
        done = job.status == "completed" and job.conclusion != "skipped"
        steps = [
            {
                "name": name,
                "number": number,
                "status": "completed"
                if done or (job.status == "in_progress" and number == 1)
                else job.status,
                "conclusion": (job.conclusion if number == 2 else "success")
                if done or (job.status == "in_progress" and number == 1)
                else None,
                "started_at": job.started_at,
                "completed_at": job.completed_at,
            }
            for number, name in enumerate(names, 1)
        ]
        return filled(
            "job",
            id=job.id,
            run_id=run.id,
            name=job.name,
            status=job.status,
            conclusion=job.conclusion,
            created_at=run.created_at,
            started_at=job.started_at or run.created_at,
            completed_at=job.completed_at,
            steps=steps
            if job.status not in {"queued", "waiting"} and job.conclusion != "skipped"
            else [],
        )

    def pending(self, run: Run) -> Any:
        if run.status != "waiting":
            return []
        reviewer = {"type": "User", "reviewer": filled("simple-user", login="cy")}
        reviewers = [reviewer] if self._world.also_reviewed or not run.rule else []
        return [
            filled(
                "pending-deployment",
                environment={"id": 1, "name": run.rule or "production"},
                wait_timer=0,
                reviewers=reviewers,
            )
        ]

    def check_runs(self, sha: str, *, every: bool) -> list[Any]:
        """Each job of a run is a check run of its suite."""
        found = [(run, job) for run in self._world.runs if run.head_sha == sha for job in run.jobs]
        newest = {(run.suite, job.name): (run, job) for run, job in found}
        return [self.check_run(run, job) for run, job in (found if every else newest.values())]

    def check_run(self, run: Run, job: Job) -> Any:
        app = filled("nullable-integration", id=15368, slug="github-actions", name="GitHub Actions")
        return filled(
            "check-run",
            id=job.id,
            name=job.name,
            head_sha=run.head_sha,
            status=job.status,
            conclusion=job.conclusion,
            check_suite={"id": run.suite},
            app=app,
            started_at=job.started_at,
            completed_at=job.completed_at,
        )

    def code_alert(self, severity: str | None) -> Any:
        return filled(
            "code-scanning-alert-items",
            state="open",
            rule=filled("code-scanning-alert-rule-summary", security_severity_level=severity),
        )

    def advisory(self, severity: str) -> Any:
        vulnerability = filled("dependabot-alert-security-vulnerability", severity=severity)
        return filled("dependabot-alert", state="open", security_vulnerability=vulnerability)

    def pull(self, pull: Pull) -> Any:
        merged = (
            {"merged_at": self._world.time(), "merge_commit_sha": pull.commit}
            if pull.merged
            else {}
        )
        return filled(
            "pull-request-simple",
            number=pull.number,
            state="closed" if pull.merged else "open",
            **merged,
        )

    def review(self, who: str, state: str) -> Any:
        return filled(
            "pull-request-review",
            user=filled("simple-user", login=who) if who else None,
            state=state,
        )

    def combined(self, sha: str, page: Callable[[list[Any]], list[Any]]) -> Any:
        """Without statuses the combined state is pending [docs: "Get the combined status"]."""
        listed = self._world.statuses.get(sha, [])
        states = {each["state"] for each in listed}
        state = (
            "failure"
            if states & {"failure", "error"}
            else "success"
            if states == {"success"}
            else "pending"
        )
        statuses = [
            filled("simple-commit-status", context=each["context"], state=each["state"])
            for each in listed
        ]
        return filled(
            "combined-commit-status",
            sha=sha,
            state=state,
            total_count=len(listed),
            statuses=page(statuses),
        )
