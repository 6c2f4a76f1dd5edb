"""Run a program that ends when whoever started it ends, however that happened: its
standard input closes then.

``python parent_watch.py app.py`` or ``python parent_watch.py -m bot run``. Works wherever there
are pipes, also after a kill -9 of the parent.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    """Watch the parent and run the program in this process."""
    threading.Thread(target=_wait, daemon=True).start()
    sys.path[0] = str(Path.cwd())
    if sys.argv[1] == "-m":
        sys.argv = sys.argv[2:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")


def _wait() -> None:
    while os.read(0, 1024):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
