"""How the fake GitLab words what it answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tests.providers.ci.gitlab_world import Job


class Refused(Exception):  # noqa: N818 - the vendor's answer, not ours
    """An answer that is an error."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status, self.body = status, body


def not_found(what: str) -> Refused:
    # lib/api/helpers.rb, not_found!: "404 Tag Not Found"
    return Refused(404, {"message": f"404 {what} Not Found"})


def diff(subject: str) -> dict[str, Any]:
    """Each commit changes one file, called as its subject."""
    return {"old_path": f"{subject}.txt", "new_path": f"{subject}.txt", "diff": ""}


def one_job(job: Job) -> dict[str, Any]:
    shown = (
        "id",
        "name",
        "stage",
        "status",
        "allow_failure",
        "failure_reason",
        "started_at",
        "finished_at",
    )
    found = {key: value for key, value in asdict(job).items() if key in shown}
    return {**found, "downstream_pipeline": job.downstream} if job.downstream is not None else found
