"""A GitLab that speaks HTTP on this machine and refuses what the real one refuses;
each rule names its source.

It is stricter in one thing: GitLab ignores parameters that it does not know, this one refuses them,
so that a mistyped name is seen.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.providers.ci.gitlab_answers import Refused, diff, not_found, one_job
from tests.providers.ci.gitlab_world import Pipeline, World

PROJECT, PROJECT_ID, TOKEN = "shop/storefront", 7, "glpat-fake-token-of-storefront"
PAGING = frozenset({"page", "per_page"})
SOURCES = frozenset(
    {
        "push",
        "web",
        "trigger",
        "schedule",
        "api",
        "external",
        "pipeline",
        "chat",
        "merge_request_event",
        "parent_pipeline",
    }
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeGitLab:
    """The server. ``world`` is its state; the fields below are its settings."""

    def __init__(self) -> None:
        self.world = World()
        self.token: dict[str, Any] = {
            "id": 1,
            "name": "gonogo",
            "revoked": False,
            "active": True,
            "scopes": ["api"],
            "expires_at": None,
        }
        self.version = "18.6.1-ee"
        self.access_level = 30
        self.variables_role: str | None = "developer"
        self.variables_hidden = False
        self.doubles = False
        """Starts everything twice, as when something in between repeats a request."""
        self.protected = False
        """Whether the environment is protected from our token."""
        self.most_diffs = 1000
        self.settings: dict[str, Any] = {}
        self.hooks: list[dict[str, Any]] | None = []
        self.lint: dict[str, Any] = {
            "valid": True, "errors": [], "warnings": [],
            "merged_yaml": (
                'workflow:\n  name: gonogo $GONOGO_CORRELATION\nroll out:\n  script: git '
                'checkout "$GONOGO_COMMIT"\n'
            ),
        }  # fmt: skip
        self.faults: list[tuple[str, str]] = []
        self.seen: list[str] = []
        self.server = TestServer(self._application())

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._misbehave, self._guard])
        project = "/api/v4/projects/{project}"
        application.add_routes([
            web.get("/api/v4/personal_access_tokens/self", self.get_token),
            web.get("/api/v4/version", self.get_version),
            web.get(project, self.get_project),
            web.get(f"{project}/hooks", self.get_hooks),
            web.get(f"{project}/ci/lint", self.get_lint),
            web.get(f"{project}/freeze_periods", self.get_freeze_periods),
            web.get(f"{project}/repository/tags", self.get_tags),
            web.get(f"{project}/repository/tags/{{ref}}", self.get_tag),
            web.get(f"{project}/repository/branches/{{ref}}", self.get_branch),
            web.get(f"{project}/repository/commits", self.get_commits),
            web.get(f"{project}/repository/branches", self.get_branches),
            web.get(f"{project}/repository/commits/{{ref}}", self.get_commit),
            web.get(f"{project}/repository/commits/{{ref}}/diff", self.get_diff),
            web.get(f"{project}/repository/commits/{{ref}}/refs", self.get_refs),
            web.get(f"{project}/repository/compare", self.get_compare),
            web.post(f"{project}/pipeline", self.create_pipeline),
            web.get(f"{project}/pipelines", self.list_pipelines),
            web.get(f"{project}/pipelines/{{pipeline}}", self.get_pipeline),
            web.get(f"{project}/pipelines/{{pipeline}}/{{part}}", self.get_part),
            web.post(f"{project}/pipelines/{{pipeline}}/cancel", self.cancel_pipeline),
            web.post(f"{project}/pipelines/{{pipeline}}/retry", self.retry_pipeline),
            web.get(f"{project}/deployments", self.get_deployments),
            web.post(f"{project}/jobs/{{job}}/play", self.play_job),
        ])  # fmt: skip
        return application

    # What stands before every answer

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Play a fault that was asked for. A path that ends in $ stands for the
        end of the request's path.
        """
        fault = next((each for each in self.faults if each[1] in f"{request.path}$"), None)
        if fault is None:
            return await handler(request)
        self.faults.remove(fault)
        if fault[0].isdigit():
            # doc/security/rate_limits.md: 429 with Retry-After;
            # doc/api/rest/troubleshooting.md: {"message": ...}
            headers = {"Retry-After": "1"} if fault[0] == "429" else {}
            return web.json_response(
                {"message": f"{fault[0]} on request"}, status=int(fault[0]), headers=headers
            )
        assert request.transport is not None
        if fault[0] == "timeout":
            while not request.transport.is_closing():  # noqa: ASYNC110 - until the caller has had enough
                await asyncio.sleep(0.02)
            return web.Response()
        response = await handler(request)
        if fault[0] == "truncated":
            assert isinstance(response, web.Response)
            assert isinstance(response.body, bytes)
            return web.Response(
                body=response.body[: len(response.body) // 2],
                content_type="application/json",
                status=response.status,
            )
        if fault[0] == "nonsense":
            return web.json_response(7)
        assert fault[0] == "lost", fault
        request.transport.abort()
        return response

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path}")
        try:
            self._let_in(request)
            answer = await handler(request)
        except Refused as refused:
            answer = web.json_response(refused.body, status=refused.status)
        answer.headers["Date"] = formatdate(
            time.time() + self.world.skew.total_seconds(), usegmt=True
        )
        return answer

    def _let_in(self, request: web.Request) -> None:
        # doc/api/rest/authentication.md: a missing, wrong or revoked token is 401 Unauthorized
        if request.headers.get("PRIVATE-TOKEN") != TOKEN or self.token["revoked"]:
            raise Refused(401, {"message": "401 Unauthorized"})
        # doc/user/profile/personal_access_tokens.md, scopes: read_api reads only;
        # lib/api/api_guard.rb: insufficient_scope is 403
        if "api" not in self.token["scopes"] and (
            request.method != "GET" or "read_api" not in self.token["scopes"]
        ):
            raise Refused(
                403,
                {
                    "error": "insufficient_scope",
                    "error_description": "The request requires higher privileges.",
                    "scope": "api",
                },
            )
        # doc/api/rest/_index.md, namespaced paths: the path is one segment with %2F, or the id;
        # what a token cannot see is 404
        if request.match_info.get("project", PROJECT) not in {PROJECT, str(PROJECT_ID)}:
            raise not_found("Project")

    @staticmethod
    def only(
        request: web.Request, *known: str, required: tuple[str, ...] = ()
    ) -> Mapping[str, str]:
        """Read the query; refuse what is not in GitLab's documentation of this call."""
        query = {name: str(value) for name, value in request.query.items()}
        unknown = sorted(set(query) - set(known) - PAGING)
        if unknown:
            raise Refused(400, {"error": f"{unknown[0]} is not known here"})
        for name in required:
            if not query.get(name):
                raise Refused(400, {"error": f"{name} is missing"})  # Grape's words
        for name in PAGING & set(query):
            if not re.fullmatch(r"[1-9]\d*", query[name]):
                raise Refused(400, {"error": f"{name} does not have a valid value"})
        return query

    @staticmethod
    def paged(query: Mapping[str, str], found: list[Any]) -> web.Response:
        # doc/api/rest/_index.md, offset-based pagination: 20 by default, 100 at most,
        # x-next-page empty on the last page
        size, page = min(int(query.get("per_page", "20")), 100), int(query.get("page", "1"))
        more = str(page + 1) if len(found) > size * page else ""
        return web.json_response(
            found[size * (page - 1) : size * page],
            headers={"x-next-page": more, "x-page": str(page)},
        )

    # The project

    async def get_token(self, request: web.Request) -> web.Response:
        self.only(request)
        return web.json_response(self.token)

    async def get_version(self, request: web.Request) -> web.Response:
        self.only(request)
        # doc/api/version.md
        return web.json_response({"version": self.version, "revision": "14d3a1d"})

    async def get_project(self, request: web.Request) -> web.Response:
        self.only(request)
        found: dict[str, Any] = {
            "id": PROJECT_ID,
            "path_with_namespace": PROJECT,
            "default_branch": self.world.default,
            "archived": False,
            "builds_access_level": "enabled",
            "permissions": {
                "project_access": {"access_level": self.access_level},
                "group_access": None,
            },
        }
        if self.variables_role is not None:
            found["ci_pipeline_variables_minimum_override_role"] = self.variables_role
        return web.json_response({**found, **self.settings})

    async def get_hooks(self, request: web.Request) -> web.Response:
        query = self.only(request)
        if self.hooks is None:  # doc/api/project_webhooks.md: needs the role Maintainer
            raise Refused(403, {"message": "403 Forbidden"})
        return self.paged(query, self.hooks)

    async def get_lint(self, request: web.Request) -> web.Response:
        # doc/api/lint.md
        self.only(request, "content_ref", "dry_run", "dry_run_ref", "include_jobs")
        return web.json_response(self.lint)

    async def get_freeze_periods(self, request: web.Request) -> web.Response:
        # lib/api/freeze_periods.rb: in pages, oldest first; app/policies/project_policy.rb:
        # read_freeze_period needs the role Reporter
        query = self.only(request)
        if self.access_level < 20:
            raise Refused(403, {"message": "403 Forbidden"})
        return self.paged(query, self.world.freeze_periods)

    # The repository

    async def get_tags(self, request: web.Request) -> web.Response:
        query = self.only(request, "order_by", "sort", "search")  # doc/api/tags.md
        if query.get("order_by", "updated") not in {"name", "updated", "version"}:
            raise Refused(400, {"error": "order_by does not have a valid value"})
        names = sorted(
            self.world.tags,
            key=lambda name: [int(each) for each in re.findall(r"\d+", name)],
            reverse=True,
        )
        return self.paged(
            query, [self._tag(name) for name in names if query.get("search", "") in name]
        )

    def _tag(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "message": "",
            "target": self.world.tags[name],
            "commit": self._commit(self.world.tags[name])
            if self.world.tags[name] in self.world.commits
            else None,
        }

    async def get_tag(self, request: web.Request) -> web.Response:
        self.only(request)
        if request.match_info["ref"] not in self.world.tags:
            raise not_found("Tag")
        return web.json_response(self._tag(request.match_info["ref"]))

    async def get_branches(self, request: web.Request) -> web.Response:
        query = self.only(request, "search")
        listed = [
            {"name": name, "commit": self._commit(sha)}
            for name, sha in sorted(self.world.branches.items())
        ]
        return self.paged(query, listed)

    async def get_commits(self, request: web.Request) -> web.Response:
        query = self.only(request, "ref_name", "path")  # doc/api/commits.md
        start = self.world.sha_of(query.get("ref_name", "HEAD"))
        if not start:
            raise not_found("Ref")
        return self.paged(query, [self._commit(sha) for sha in self.world.line(start)])

    async def get_branch(self, request: web.Request) -> web.Response:
        self.only(request)
        name = request.match_info["ref"]
        if name not in self.world.branches:
            raise not_found("Branch")
        return web.json_response(
            {"name": name, "protected": False, "commit": self._commit(self.world.branches[name])}
        )

    async def get_commit(self, request: web.Request) -> web.Response:
        self.only(request, "stats")
        sha = self.world.sha_of(request.match_info["ref"])
        if not sha:
            raise not_found("Commit")
        return web.json_response(self._commit(sha))

    def _commit(self, sha: str) -> dict[str, Any]:
        commit = self.world.commits[sha]
        return {
            "id": sha,
            "short_id": sha[:8],
            "title": commit.subject,
            "author_name": commit.author,
            "parent_ids": [commit.parent],
        }

    async def get_compare(self, request: web.Request) -> web.Response:
        # doc/api/repositories.md: straight=false lists what `to` has and `from` has not;
        # lib/api/repositories.rb: 404 Ref Not Found
        query = self.only(
            request, "from", "to", "straight", "from_project_id", "unidiff", required=("from", "to")
        )
        base, head = self.world.sha_of(query["from"]), self.world.sha_of(query["to"])
        if not base or not head:
            raise not_found("Ref")
        known = set(self.world.line(base))
        new = [self._commit(sha) for sha in reversed(self.world.line(head)) if sha not in known]
        diffs = [diff(each["title"]) for each in new]
        # doc/administration/diff_limits.md; compare_timeout says that some were left out
        shown = diffs[: self.most_diffs]
        body = {
            "commit": new[-1] if new else None,
            "commits": new,
            "diffs": shown,
            "compare_timeout": len(diffs) > len(shown),
        }
        return web.json_response(
            {**body, "compare_same_ref": base == head, "web_url": "https://compare"}
        )

    async def get_diff(self, request: web.Request) -> web.Response:
        # doc/api/commits.md, "Get commit diff": a list in pages
        query = self.only(request, "unidiff")
        sha = self.world.sha_of(request.match_info["ref"])
        if not sha:
            raise not_found("Commit")
        return self.paged(query, [diff(self.world.commits[sha].subject)])

    async def get_refs(self, request: web.Request) -> web.Response:
        # doc/api/commits.md, "Get references a commit is pushed to": branches and
        # tags, not refs/merge-requests
        query = self.only(request, "type")
        sha = self.world.sha_of(request.match_info["ref"])
        if query.get("type", "all") not in {"branch", "tag", "all"} or not sha:
            raise not_found("Commit")
        kinds = {"branch": self.world.branches, "tag": self.world.tags}
        found = [
            {"type": kind, "name": name}
            for kind, refs in kinds.items()
            for name, at in refs.items()
            if sha in self.world.line(at)
        ]
        return self.paged(
            query, [each for each in found if query.get("type", "all") in {"all", each["type"]}]
        )

    # Pipelines

    async def create_pipeline(self, request: web.Request) -> web.Response:
        # doc/api/pipelines.md, "Create a new pipeline";
        # lib/api/ci/pipelines.rb, create_pipeline_params
        self.only(request)
        try:
            body = await request.json()
        except json.JSONDecodeError:
            raise Refused(400, {"error": "The request body is not valid JSON"}) from None
        if not isinstance(body, dict) or set(body) - {"ref", "variables", "inputs"}:
            raise Refused(400, {"error": "unknown fields"})
        if not isinstance(body.get("ref"), str) or not body["ref"]:
            raise Refused(400, {"error": "ref is missing"})
        variables = self._variables(body.get("variables", []))
        if self.access_level < 30:
            # doc/user/permissions.md: pipelines are run by Developers and above
            raise Refused(403, {"message": "403 Forbidden"})
        if body["ref"] not in self.world.branches and body["ref"] not in self.world.tags:
            # a sha is no ref here
            raise Refused(400, {"message": {"base": ["Reference not found"]}})
        # doc/ci/variables/_index.md, "Restrict pipeline variables"
        if variables and self.variables_role == "no_one_allowed":
            raise Refused(
                400, {"message": {"base": ["Insufficient permissions to set pipeline variables"]}}
            )
        if self.doubles:
            self.world.begin(body["ref"], dict(variables))
        pipeline = self.world.begin(body["ref"], variables)
        answer = self._pipeline(pipeline)
        # lib/api/ci/pipelines.rb presents Entities::Ci::Pipeline here, which has no name
        del answer["name"]
        return web.json_response(answer, status=201)

    @staticmethod
    def _variables(given: Any) -> dict[str, str]:
        # app/models/ci/pipeline_variable.rb and app/models/concerns/ci/has_variable.rb: key
        # [a-zA-Z0-9_]+ up to 255, value text
        if not isinstance(given, list):
            raise Refused(400, {"error": "variables is invalid"})
        found: dict[str, str] = {}
        for each in given:
            if not isinstance(each, dict) or set(each) - {"key", "value", "variable_type"}:
                raise Refused(400, {"error": "variables is invalid"})
            if not isinstance(each.get("value"), str) or not re.fullmatch(
                r"[a-zA-Z0-9_]{1,255}", str(each.get("key"))
            ):
                raise Refused(
                    400,
                    {"message": {"variables.key": ["can contain only letters, digits and '_'."]}},
                )
            if each["key"] in found:
                raise Refused(
                    400, {"message": {"base": [f"Variables have duplicate values ({each['key']})"]}}
                )
            found[each["key"]] = each["value"]
        return found

    async def list_pipelines(self, request: web.Request) -> web.Response:
        query = self.only(
            request,
            "scope",
            "status",
            "ref",
            "sha",
            "username",
            "updated_after",
            "order_by",
            "sort",
            "source",
            "name",
        )
        if (
            query.get("source", "push") not in SOURCES
            or query.get("sort", "desc") != "desc"
            or query.get("order_by", "id") != "id"
        ):
            raise Refused(400, {"error": "a parameter does not have a valid value"})
        if "updated_after" in query and not re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", query["updated_after"]
        ):
            raise Refused(400, {"error": "updated_after is invalid"})
        found = []
        for pipeline in sorted(self.world.pipelines.values(), key=lambda each: -each.id):
            pipeline.go_on(self.world.now())
            wanted = {
                "sha": pipeline.sha,
                "source": pipeline.source,
                "name": pipeline.name,
                "ref": pipeline.ref,
                "status": pipeline.status,
            }
            if all(
                query[key] == value for key, value in wanted.items() if key in query
            ) and pipeline.updated_at > query.get("updated_after", ""):
                found.append(self._pipeline(pipeline))
        return self.paged(query, found)

    def _of(self, request: web.Request) -> Pipeline:
        # lib/api/ci/pipelines.rb: requires :pipeline_id, type: Integer
        if not request.match_info["pipeline"].isdigit():
            raise Refused(400, {"error": "pipeline_id is invalid"})
        pipeline = self.world.pipelines.get(int(request.match_info["pipeline"]))
        if pipeline is None:
            raise not_found("Not found")
        return pipeline

    def _pipeline(self, pipeline: Pipeline) -> dict[str, Any]:
        started = min((job.started_at for job in pipeline.jobs if job.started_at), default=None)
        over = pipeline.status in {"success", "failed", "canceled", "skipped"}
        finished = (
            max(
                (job.finished_at for job in pipeline.jobs if job.finished_at),
                default=pipeline.updated_at,
            )
            if over
            else None
        )
        return {
            "id": pipeline.id, "iid": pipeline.id - 100,
            "project_id": PROJECT_ID, "name": pipeline.name, "sha": pipeline.sha,
            "ref": pipeline.ref, "status": pipeline.status,
            "source": pipeline.source, "created_at": pipeline.created_at,
            "updated_at": pipeline.updated_at, "started_at": started,
            "finished_at": finished, "yaml_errors": None, "tag": False,
            "web_url": f"https://gitlab.example.com/{PROJECT}/-/pipelines/{pipeline.id}",
        }  # fmt: skip

    async def get_pipeline(self, request: web.Request) -> web.Response:
        self.only(request)
        pipeline = self._of(request)
        pipeline.go_on(self.world.now())
        return web.json_response(self._pipeline(pipeline))

    async def get_part(self, request: web.Request) -> web.Response:
        pipeline, part = self._of(request), request.match_info["part"]
        if part == "jobs":
            return self._jobs(request, pipeline)
        query = self.only(request, "scope") if part == "bridges" else self.only(request)
        if part == "bridges":
            return self.paged(
                query, [one_job(job) for job in pipeline.jobs if job.downstream is not None]
            )
        if part == "variables":
            # app/policies/ci/pipeline_policy.rb, read_pipeline_variable: who may not gets 403
            if self.variables_hidden:
                raise Refused(403, {"message": "403 Forbidden"})
            return self.paged(
                query,
                [
                    {"key": k, "variable_type": "env_var", "value": v}
                    for k, v in pipeline.variables.items()
                ],
            )
        if part == "test_report_summary":
            suites = [
                {
                    "name": pipeline.unread,
                    "total_count": 0,
                    "suite_error": "JUnit XML parsing failed",
                }
            ] * bool(pipeline.unread)
            return web.json_response(
                {
                    "total": {"time": 1, **(pipeline.tests or {"count": 0}), "suite_error": None},
                    "test_suites": suites,
                }
            )
        raise not_found("Page")

    def _jobs(self, request: web.Request, pipeline: Pipeline) -> web.Response:
        # doc/api/jobs.md, "List pipeline jobs": newest first; retried jobs
        # only with include_retried
        query = self.only(request, "scope", "include_retried")
        jobs = sorted(
            (job for job in pipeline.jobs if job.downstream is None), key=lambda job: -job.id
        )
        if query.get("include_retried") != "true":
            newest = {job.name: job for job in reversed(jobs)}
            jobs = [job for job in jobs if newest[job.name] is job]
        return self.paged(query, [one_job(job) for job in jobs])

    async def get_deployments(self, request: web.Request) -> web.Response:
        # doc/api/deployments.md, "List project deployments"; app/models/deployment.rb,
        # sync_status_with: of a manual job it is blocked
        query = self.only(
            request, "status", "environment", "order_by", "sort", "updated_after", "updated_before"
        )
        waiting = [
            job
            for each in self.world.pipelines.values()
            for job in each.jobs
            if job.status == "manual"
        ]
        found = [
            {
                "id": job.id,
                "status": "blocked",
                "environment": {"id": 9, "name": self.world.deploys[job.id]},
                "deployable": one_job(job),
            }
            for job in waiting
            if job.id in self.world.deploys and query.get("status") in {None, "blocked"}
        ]
        return self.paged(query, found[::-1])

    async def play_job(self, request: web.Request) -> web.Response:
        # lib/api/ci/jobs.rb, "Trigger an actionable job": 403 without play_job, 400 Unplayable
        # Job unless it can be played
        self.only(request)
        job = next(
            (
                job
                for each in self.world.pipelines.values()
                for job in each.jobs
                if str(job.id) == request.match_info["job"]
            ),
            None,
        )
        if job is None:
            raise not_found("Job")
        if self.protected:
            raise Refused(403, {"message": "403 Forbidden"})
        if job.status != "manual":
            raise Refused(400, {"message": "400 Bad request - Unplayable Job"})
        job.status, job.manual = "pending", False
        return web.json_response(one_job(job))

    async def retry_pipeline(self, request: web.Request) -> web.Response:
        # doc/api/pipelines.md, "Retry jobs in a pipeline": its failed and cancelled jobs;
        # nothing where there are none
        self.only(request)
        pipeline = self._of(request)
        pipeline.status_is = ""
        newest = {job.name: job for job in sorted(pipeline.jobs, key=lambda job: job.id)}
        for job in newest.values():
            if job.status in {"failed", "canceled"}:
                self.world.retry(pipeline, job.name)
        return web.json_response(self._pipeline(pipeline), status=201)

    async def cancel_pipeline(self, request: web.Request) -> web.Response:
        # doc/api/pipelines.md, "Cancel all jobs for a pipeline": 200 regardless of the state
        self.only(request)
        pipeline = self._of(request)
        pipeline.cancel(self.world.now())
        return web.json_response(self._pipeline(pipeline))
