#!/usr/bin/env bash
# Play the GitLab template with gitlab-ci-local (npm; needs Node 20 or newer, and rsync). Opt-in: it installs into var/.
set -euo pipefail
cd "$(dirname "$0")/../../.."

command -v rsync >/dev/null || { echo "gitlab-ci-local needs rsync (Debian: apt-get install rsync)." >&2; exit 1; }
player=var/gitlab-ci-local/node_modules/.bin/gitlab-ci-local
[ -x "$player" ] || npm install --silent --no-audit --no-fund --ignore-scripts --prefix var/gitlab-ci-local gitlab-ci-local@4.73.0

GONOGO_GITLAB_CI_LOCAL=$PWD/$player exec "${PYTHON:-python}" -m pytest -q -m emulator tests/providers/ci/test_gitlab_template.py "$@"
