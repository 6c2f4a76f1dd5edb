"""What the operating system says, as sentences: what only a person can mend, and what may pass."""

from __future__ import annotations

import errno

from bot.domain.errors import ConfigurationError, SystemUnavailable

PASSING = frozenset(
    {
        errno.EAGAIN, errno.EBUSY, errno.EDQUOT, errno.EINTR, errno.EIO,
        errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC,
        errno.ESTALE, errno.ETIMEDOUT, errno.EADDRINUSE, errno.ENETDOWN,
        errno.ENETUNREACH, errno.ENOBUFS, errno.ECONNREFUSED,
        errno.ECONNRESET,
    }
)  # fmt: skip
"""Faults that may be gone at the next start. Everything else (a right, a name, a kind of file)
stays until somebody mends it.
"""


def of_system(error: OSError, what: str, remedy: str) -> ConfigurationError | SystemUnavailable:
    """Say what could not be done, why, and what to do; the class says whether it may pass."""
    why = (
        f"{error.strerror[:1].lower()}{error.strerror[1:]}"
        if error.strerror
        else type(error).__name__
    )
    kind = SystemUnavailable if error.errno in PASSING else ConfigurationError
    return kind(f"{what}: {why}. {remedy}")
