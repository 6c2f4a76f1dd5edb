"""Cut GitHub's OpenAPI description down to what our tests need.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python tools/trim_github_openapi.py package/generated/api.github.com.json
        tests/providers/ci/github_openapi.json.gz

The description is GitHub's (github/rest-api-description, MIT), packed by octokit/openapi (MIT). Cut
are: other operations, examples, prose. Added are: ``additionalProperties: false`` on request
bodies, because GitHub refuses keys it does not know; and null to the words that a nullable value
may be, because OpenAPI 3.0 asks for both.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPERATIONS = (
    ("get", "/repos/{owner}/{repo}"),
    ("get", "/repos/{owner}/{repo}/tags"),
    ("get", "/repos/{owner}/{repo}/branches"),
    ("get", "/repos/{owner}/{repo}/branches/{branch}"),
    ("get", "/repos/{owner}/{repo}/rules/branches/{branch}"),
    ("get", "/repos/{owner}/{repo}/commits"),
    ("get", "/repos/{owner}/{repo}/commits/{ref}"),
    ("get", "/repos/{owner}/{repo}/commits/{ref}/check-runs"),
    ("get", "/repos/{owner}/{repo}/commits/{ref}/status"),
    ("get", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls"),
    ("get", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews"),
    ("get", "/repos/{owner}/{repo}/code-scanning/alerts"),
    ("get", "/repos/{owner}/{repo}/dependabot/alerts"),
    ("get", "/repos/{owner}/{repo}/compare/{basehead}"),
    ("get", "/repos/{owner}/{repo}/contents/{path}"),
    ("get", "/repos/{owner}/{repo}/actions/runs"),
    ("get", "/repos/{owner}/{repo}/actions/runs/{run_id}"),
    ("get", "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs"),
    ("get", "/repos/{owner}/{repo}/actions/runs/{run_id}/pending_deployments"),
    ("post", "/repos/{owner}/{repo}/actions/runs/{run_id}/cancel"),
    ("post", "/repos/{owner}/{repo}/actions/runs/{run_id}/rerun"),
    ("post", "/repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs"),
    ("post", "/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule"),
    ("get", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}"),
    ("get", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs"),
    ("post", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"),
    ("get", "/repos/{owner}/{repo}/deployments"),
    ("post", "/repos/{owner}/{repo}/deployments"),
    ("post", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses"),
    ("get", "/repos/{owner}/{repo}/environments/{environment_name}/deployment_protection_rules"),
    ("get", "/repos/{owner}/{repo}/installation"),
    ("get", "/repos/{owner}/{repo}/hooks"),
    ("post", "/app/installations/{installation_id}/access_tokens"),
)
WEBHOOKS = ("webhook-deployment-protection-rule-requested",)
"""Events of which GitHub gives no example."""
_PROSE = frozenset(
    {
        "description",
        "summary",
        "externalDocs",
        "example",
        "examples",
        "x-github",
        "x-octokit",
        "tags",
        "title",
    }
)
_BY_NAME = frozenset({"properties", "schemas", "parameters", "responses", "headers", "paths"})
"""Objects whose keys are names, not words of OpenAPI."""


def trimmed(source: dict[str, Any]) -> dict[str, Any]:
    """Give the part of a description that ``OPERATIONS`` need."""
    paths: dict[str, Any] = {}
    for method, path in OPERATIONS:
        paths.setdefault(path, {})[method] = _without_prose(source["paths"][path][method])
        _refuse_unknown_keys(paths[path][method])
        _describe(paths[path][method]["responses"])
    components: dict[str, dict[str, Any]] = {}
    waiting = [*_references(paths), *(f"#/components/schemas/{name}" for name in WEBHOOKS)]
    while waiting:
        kind, name = waiting.pop().split("/")[-2:]
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _without_prose(source["components"][kind][name])
            waiting += _references(components[kind][name])
    for method, path in OPERATIONS:
        for name in _choices(paths[path][method]):
            components["schemas"][name].setdefault("additionalProperties", False)
    _describe(components.get("responses", {}))
    info = {
        "title": "GitHub REST, trimmed",
        "version": source["info"]["version"],
        "license": {"name": "MIT"},
    }
    return {"openapi": source["openapi"], "info": info, "paths": paths, "components": components}


def _without_prose(value: Any, *, names: bool = False) -> Any:
    if isinstance(value, list):
        return [_without_prose(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _without_prose(each, names=key in _BY_NAME and not names)
        for key, each in value.items()
        if names or key not in _PROSE
    }
    if not names and kept.get("nullable") is True and "enum" in kept and None not in kept["enum"]:
        kept["enum"] = [*kept["enum"], None]
    return kept


def _describe(responses: dict[str, Any]) -> None:
    """Give each response the description that OpenAPI demands."""
    for response in responses.values():
        if "$ref" not in response:
            response["description"] = ""


def _refuse_unknown_keys(operation: dict[str, Any]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "properties" in content["schema"]:
            # beside a choice of several it would refuse every key
            content["schema"].setdefault("additionalProperties", False)


def _choices(operation: dict[str, Any]) -> Iterator[str]:
    """Name the schemas among which a request body may choose."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from (
            each["$ref"].rpartition("/")[2]
            for each in content["schema"].get("anyOf", ())
            if "$ref" in each
        )


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def main(source: str, target: str) -> None:
    """Write the trimmed description; the same input gives the same bytes."""
    text = json.dumps(
        trimmed(json.loads(Path(source).read_text())), separators=(",", ":"), sort_keys=True
    )
    Path(target).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
