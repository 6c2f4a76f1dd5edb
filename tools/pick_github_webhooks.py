"""Pick the webhook examples that our tests need out of GitHub's own.

    npm pack @octokit/webhooks-examples && tar xzf octokit-webhooks-examples-*.tgz
    python tools/pick_github_webhooks.py package/api.github.com/index.json
        tests/providers/ci/github_webhooks.json.gz

The examples are those of octokit/webhooks (MIT); they are taken as they are.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

EVENTS = ("workflow_run", "workflow_job", "deployment", "deployment_status", "ping")


def main(source: str, target: str) -> None:
    """Write the examples by event; the same input gives the same bytes."""
    every = {each["name"]: each["examples"] for each in json.loads(Path(source).read_text())}
    text = json.dumps(
        {event: every[event] for event in EVENTS}, separators=(",", ":"), sort_keys=True
    )
    Path(target).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
