"""A strict GitHub on this machine: it keeps state and refuses what GitHub refuses; its door checks
both sides by the OpenAPI description.

Rules name their source: [api] is GitHub's OpenAPI description, [docs] is docs.github.com/rest,
[seen] are answers quoted in public issues.
"""

from __future__ import annotations

from typing import Any

from tests.providers.ci import github_shape as shape
from tests.providers.ci.github_answers import Answer, Asked, check_inputs, page
from tests.providers.ci.github_app import Refused
from tests.providers.ci.github_door import Door, Route

REPO = "/repos/{owner}/{repo}"
RUN = REPO + "/actions/runs/{run_id}"
WORKFLOW = REPO + "/actions/workflows/{workflow_id}"
ENVIRONMENT = "/environments/{environment_name}"


class GitHub(Door):
    """The server, behind its door."""

    def routes(self) -> list[Route]:
        return [
            Route("GET", REPO, "metadata=read", lambda _: Answer(self.views.repository())),
            Route("GET", REPO + "/tags", "contents=read", self._tags),
            Route(
                "GET",
                REPO + "/branches",
                "contents=read",
                lambda asked: Answer(page(self.views.branches(), asked)),
            ),
            Route(
                "GET",
                REPO + "/branches/{branch}",
                "contents=read",
                lambda asked: Answer(self.views.branch(asked)),
            ),
            Route(
                "GET",
                REPO + "/rules/branches/{branch}",
                "metadata=read",
                lambda asked: Answer(page(self.views.branch_rules(), asked)),
            ),
            Route("GET", REPO + "/commits/{ref}/check-runs", "checks=read", self._check_runs),
            Route("GET", REPO + "/commits/{ref}/status", "statuses=read", self._status),
            Route("GET", REPO + "/commits/{commit_sha}/pulls", "pull_requests=read", self._pulls),
            Route(
                "GET", REPO + "/pulls/{pull_number}/reviews", "pull_requests=read", self._reviews
            ),
            Route("GET", REPO + "/code-scanning/alerts", "security_events=read", self._code_alerts),
            Route(
                "GET", REPO + "/dependabot/alerts", "vulnerability_alerts=read", self._advisories
            ),
            Route("GET", REPO + "/commits/{ref}", "contents=read", self._commit),
            Route("GET", REPO + "/commits", "contents=read", self._commits),
            Route("GET", REPO + "/compare/{basehead}", "contents=read", self._compare),
            Route("GET", REPO + "/contents/{path}", "contents=read", self._contents),
            Route("GET", REPO + "/actions/runs", "actions=read", self._all_runs),
            Route("GET", RUN, "actions=read", self._run),
            Route("GET", RUN + "/jobs", "actions=read", self._jobs),
            Route("GET", RUN + "/pending_deployments", "actions=read", self._pending),
            Route(
                "POST", RUN + "/deployment_protection_rule", "deployments=write", self._answer_rule
            ),
            Route("POST", RUN + "/cancel", "actions=write", self._cancel),
            Route("POST", RUN + "/rerun", "actions=write", self._rerun),
            Route("POST", RUN + "/rerun-failed-jobs", "actions=write", self._rerun_failed),
            Route(
                "GET",
                WORKFLOW,
                "actions=read",
                lambda asked: Answer(self.views.workflow(self._workflow(asked))),
            ),
            Route("GET", WORKFLOW + "/runs", "actions=read", self._workflow_runs),
            Route("POST", WORKFLOW + "/dispatches", "actions=write", self._dispatch),
            Route("GET", REPO + "/deployments", "deployments=read", self._deployments),
            Route("POST", REPO + "/deployments", "deployments=write", self._deployment),
            Route(
                "POST",
                REPO + "/deployments/{deployment_id}/statuses",
                "deployments=write",
                self._deployment_status,
            ),
            Route(
                "GET",
                REPO + ENVIRONMENT + "/deployment_protection_rules",
                "actions=read",
                lambda asked: Answer(self.views.rules(asked)),
            ),
            Route(
                "GET", REPO + "/installation", "app", lambda _: Answer(self.views.installation())
            ),
            Route("POST", "/app/installations/{installation_id}/access_tokens", "app", self._token),
        ]

    def _token(self, asked: Asked) -> Answer:
        if asked.parts["installation_id"] != str(self.views.installation()["id"]):
            raise Refused(404)
        token = f"ghs_{len(self.tokens):036d}"
        self.tokens[token] = dict(self.app.permissions)
        return Answer(self.views.installation_token(token), 201)

    # Commits

    def _tags(self, asked: Asked) -> Answer:
        return Answer(
            page([self.views.tag(name) for name in sorted(self.world.tags, reverse=True)], asked)
        )

    def _found(self, ref: str) -> str:
        sha = self.world.find(ref)
        if not self.world.commits:
            raise Refused(409, "Git Repository is empty.")  # [api] 409, [seen]
        if not sha:
            raise Refused(422, f"No commit found for SHA: {ref}")  # [seen]
        return sha

    def _commit(self, asked: Asked) -> Answer:
        sha = self._found(asked.parts["ref"])
        if asked.accept == "application/vnd.github.sha":  # [docs] "Get a commit"
            return Answer(text=sha)
        return Answer(self.views.commit(self.world.commits[sha]))

    def _commits(self, asked: Asked) -> Answer:
        line = self.world.line(self._found(asked.query.get("sha", self.world.default_branch)))
        return Answer(page([self.views.commit(self.world.commits[sha]) for sha in line], asked))

    def _compare(self, asked: Asked) -> Answer:
        base, _, head = asked.parts["basehead"].partition("...")
        known = (self.world.find(base), self.world.find(head))
        if not all(known):
            raise Refused(404)
        listed = self.world.between(*known)
        # [docs] "Compare two commits"
        shown = listed[:250] if not {"page", "per_page"} & set(asked.query) else page(listed, asked)
        return Answer(
            self.views.comparison(*known, shown, files=asked.query.get("page", "1") == "1")
        )

    def _contents(self, asked: Asked) -> Answer:
        file = self.world.workflows.get(asked.parts["path"].removeprefix(".github/workflows/"))
        if file is None or not self.world.find(asked.query.get("ref", "main")):
            raise Refused(404)
        return Answer(text=file.text)  # asked for raw [docs] "Get repository content"

    def _check_runs(self, asked: Asked) -> Answer:
        runs = self.views.check_runs(
            self._found(asked.parts["ref"]), every=asked.query.get("filter") == "all"
        )
        return Answer({"total_count": len(runs), "check_runs": page(runs, asked)})

    def _status(self, asked: Asked) -> Answer:
        return Answer(
            self.views.combined(self._found(asked.parts["ref"]), lambda listed: page(listed, asked))
        )

    # What stands beside the tests

    def _pulls(self, asked: Asked) -> Answer:
        sha = self._found(asked.parts["commit_sha"])
        return Answer(
            page([self.views.pull(each) for each in self.world.pulls if each.commit == sha], asked)
        )

    def _reviews(self, asked: Asked) -> Answer:
        pull = next(
            (each for each in self.world.pulls if str(each.number) == asked.parts["pull_number"]),
            None,
        )
        if pull is None:
            raise Refused(404)
        return Answer(page([self.views.review(who, state) for who, state in pull.reviews], asked))

    def _code_alerts(self, asked: Asked) -> Answer:
        if self.world.scanned is None:
            raise Refused(404, "no analysis found")  # [seen]
        return Answer(page([self.views.code_alert(each) for each in self.world.scanned], asked))

    def _advisories(self, asked: Asked) -> Answer:
        if self.world.advisories is None:
            raise Refused(403, "Dependabot alerts are disabled for this repository.")  # [seen]
        if "page" in asked.query:
            raise Refused(400, "Pagination using the `page` parameter is not supported.")  # [seen]
        wanted = asked.query.get("severity", "low,medium,high,critical").split(",")
        return Answer(
            page(
                [self.views.advisory(each) for each in self.world.advisories if each in wanted],
                asked,
            )
        )

    # Runs

    def _all_runs(self, asked: Asked) -> Answer:
        return self._listed(self.world.runs, asked)

    def _workflow_runs(self, asked: Asked) -> Answer:
        workflow = self._workflow(asked)
        return self._listed([run for run in self.world.runs if run.workflow == workflow], asked)

    def _listed(self, runs: list[Any], asked: Asked) -> Answer:
        if self.world.hidden_for > 0:
            self.world.hidden_for -= 1
            runs = runs[:-1]
        head = asked.query.get("head_sha")
        chosen = [self.views.run(run) for run in reversed(runs) if head in {None, run.head_sha}]
        return Answer({"total_count": len(chosen), "workflow_runs": page(chosen, asked)})

    def _workflow(self, asked: Asked) -> str:
        wanted = asked.parts["workflow_id"]
        for name, workflow in self.world.workflows.items():
            if wanted in {name, str(workflow.id)}:
                return name
        raise Refused(404)

    def _known_run(self, asked: Asked) -> Any:
        for run in self.world.runs:
            if str(run.id) == asked.parts["run_id"]:
                return run
        raise Refused(404)

    def _run(self, asked: Asked) -> Answer:
        run = self._known_run(asked)
        self.world.tick(run)
        return Answer(self.views.run(run))

    def _jobs(self, asked: Asked) -> Answer:
        run = self._known_run(asked)
        jobs = [self.views.job(run, job) for job in run.jobs]
        return Answer({"total_count": len(jobs), "jobs": page(jobs, asked)})

    def _pending(self, asked: Asked) -> Answer:
        return Answer(self.views.pending(self._known_run(asked)))

    def _answer_rule(self, asked: Asked) -> Answer:
        run = self._known_run(asked)
        if run.status != "waiting" or asked.body["environment_name"] != run.rule:
            # no source tells the status; the provider treats every clear no alike
            raise Refused(422)
        self.world.answer_rule(run, asked.body)
        return Answer(status=204)

    def _cancel(self, asked: Asked) -> Answer:
        run = self._known_run(asked)
        if run.status == "completed":
            # [api] 409, [seen]
            raise Refused(409, "Cannot cancel a workflow run that is completed.")
        run.cancelling = True
        if run.status == "waiting":
            run.status = "in_progress"
        return Answer({}, 202)

    def _rerun(self, asked: Asked) -> Answer:
        run = self._known_run(asked)
        if run.status != "completed":
            raise Refused(403, "This workflow is already running")  # [seen]
        self.world.rerun(run, run.jobs)
        return Answer({}, 201)

    def _rerun_failed(self, asked: Asked) -> Answer:
        run = self._known_run(asked)
        if run.status != "completed":
            raise Refused(403, "This workflow is already running")  # [seen]
        failed = [job for job in run.jobs if job.conclusion not in {"success", "skipped"}]
        if not failed:
            raise Refused(
                403, "Unable to retry this workflow run because it has no failed jobs"
            )  # [seen]
        self.world.rerun(run, failed)
        return Answer({}, 201)

    def _dispatch(self, asked: Asked) -> Answer:
        name = self._workflow(asked)
        body = asked.body if isinstance(asked.body, dict) else {}
        self._check_keys(body)
        ref = body["ref"]
        if ref not in self.world.branches and ref not in self.world.tags:
            # a branch or tag, never a commit [api]; [seen]
            raise Refused(422, f"No ref found for: {ref}")
        workflow = self.world.workflows[name]
        if workflow.state != "active":
            raise Refused(
                422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow"
            )  # [seen]
        if not workflow.is_dispatched:
            raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")  # [seen]
        check_inputs(workflow.inputs, body.get("inputs", {}))
        run = self.world.dispatch(name, ref, body.get("inputs", {}))
        if not body.get("return_run_details"):
            return Answer(status=204)
        url = f"{shape.HOST}/repos/{self.world.name}/actions/runs/{run.id}"
        return Answer({"workflow_run_id": run.id, "run_url": url, "html_url": self.views.web(run)})

    # Deployments

    def _deployments(self, asked: Asked) -> Answer:
        return Answer(
            page([self.views.deployment(each) for each in reversed(self.world.deployments)], asked)
        )

    def _deployment(self, asked: Asked) -> Answer:
        body = asked.body
        sha = self.world.find(body["ref"])
        if not sha:
            raise Refused(422, f"No ref found for: {body['ref']}")  # [seen]
        if body.get("auto_merge", True) and self.world.between(sha, self.world.branches["main"]):
            # the default merges [api]
            return Answer({"message": "Auto-merged main into the ref on deployment."}, 202)
        listed = self.world.statuses.get(sha, [])
        if body.get("required_contexts") is None and any(
            each["state"] != "success" for each in listed
        ):
            # the default asks for all contexts [api]
            raise Refused(409, "Conflict: Commit status checks failed.")
        made = {**body, "id": self.world.new_id(), "sha": sha, "statuses": []}
        self.world.deployments.append(made)
        return Answer(self.views.deployment(made), 201)

    def _deployment_status(self, asked: Asked) -> Answer:
        made = next(
            (
                each
                for each in self.world.deployments
                if str(each["id"]) == asked.parts["deployment_id"]
            ),
            None,
        )
        if made is None:
            raise Refused(404)
        if len(asked.body.get("description", "")) > 140:
            raise Refused(422)  # [api] "The maximum description length is 140 characters."
        made["statuses"].append(asked.body)
        return Answer(
            shape.filled(
                "deployment-status",
                state=asked.body["state"],
                description=asked.body.get("description", ""),
            ),
            201,
        )

    def _check_keys(self, body: dict[str, Any]) -> None:
        known = {"ref", "inputs"} | ({"return_run_details"} if self.names_runs_it_starts else set())
        for key in body:
            if key not in known:
                raise Refused(422, f'Invalid request.\n\n"{key}" is not a permitted key.')  # [seen]
        if "ref" not in body:
            raise Refused(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')  # [seen]
