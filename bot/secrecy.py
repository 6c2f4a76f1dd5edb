"""Secrets out of the reach of what the bot starts: its stages may belong to the same user, and
run what a repository says.

A process's first environment can be read in /proc by its own user for as long as it lives, so
secrets are overwritten there as well as taken out of ``os.environ``. On Linux the process is then
closed to its own user (prctl(2), PR_SET_DUMPABLE): nobody but root can read its environment, memory
and open files, or attach a debugger.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable

_PR_SET_DUMPABLE = 4


def withdraw(names: Iterable[str]) -> None:
    """Take variables out of the environment, and overwrite what they held."""
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    libc.strlen.argtypes, libc.strlen.restype = (ctypes.c_void_p,), ctypes.c_size_t
    for name in names:
        held = libc.getenv(os.fsencode(name))
        if held:
            ctypes.memset(held, 0, libc.strlen(held))
        os.environ.pop(name, None)


def close_to_others() -> bool:
    """Let no other process of this user look into this one; False where the
    system has no such thing.
    """
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
