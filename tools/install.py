"""Install what is pinned into a virtual environment: only the standard library, because
nothing else is there yet.

``python tools/install.py FOLDER REQUIREMENTS [--project]``

The requirements are complete and carry hashes, so no resolver is asked (``--no-deps``): pip's
resolver prefers a newer release of a package that another one names with an extra, and then refuses
it for want of a hash. ``pip check`` says afterwards whether the pins fit together. What pip says is
shown only when it fails, and then all of it.
"""

import argparse
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)


class InstallError(Exception):
    """Says that a command did not succeed; the text is what it printed."""


def run(*command: str) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise InstallError(f"$ {' '.join(command)}\n{done.stdout}")
    return done.stdout


def is_current(python: Path) -> bool:
    """Say whether the environment is there and was made by this version of Python."""
    version = "import sys; print(*sys.version_info[:2])"
    try:
        return run(str(python), "-c", version).split() == [
            str(part) for part in sys.version_info[:2]
        ]
    except (OSError, InstallError):
        return False


def install(folder: Path, requirements: Path, *, project: bool) -> None:
    """Make the environment where there is none, and put into it what is pinned."""
    python = folder / "bin" / "python"
    if not is_current(python):
        run(
            sys.executable, "-m", "venv", *(["--clear"] if python.is_symlink() else []), str(folder)
        )
    pip = (str(python), "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--no-deps", "--require-hashes", "-r", str(requirements))
    if project:
        run(*pip, "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    run(*pip, "check")


def main() -> int:
    """Install, in one line; on a failure show everything that was said."""
    parser = argparse.ArgumentParser(
        description="Install pinned requirements into a virtual environment."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("requirements", type=Path)
    parser.add_argument(
        "--project",
        action="store_true",
        help="also install the project that lies here, so that edits count at once",
    )
    asked = parser.parse_args()
    if sys.version_info < OLDEST:
        print(
            f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}. Name "
            "one: make PYTHON=python3.12 ..."
        )
        return 1
    print(
        f"Installing {asked.requirements} into {asked.folder}, once; this takes about a minute.",
        flush=True,
    )
    try:
        install(asked.folder, asked.requirements, project=asked.project)
    except InstallError as failed:
        print(failed)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
