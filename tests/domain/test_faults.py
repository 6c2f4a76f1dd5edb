"""What the operating system says: what may pass, and what only a person can mend."""

from __future__ import annotations

import errno

import pytest

from bot.domain.errors import ConfigurationError, SystemUnavailable
from bot.domain.faults import PASSING, of_system

MAY_PASS = (
    "EADDRINUSE EAGAIN EBUSY ECONNREFUSED ECONNRESET EDQUOT EINTR EIO EMFILE "
    "ENETDOWN ENETUNREACH ENFILE ENOBUFS ENOMEM ENOSPC ESTALE ETIMEDOUT"
)


@pytest.mark.parametrize("name", sorted(set(errno.errorcode.values())))
def test_a_fault_that_may_be_gone_at_the_next_start_is_told_from_one_that_stays(name: str) -> None:
    code = getattr(errno, name)
    told = of_system(OSError(code, "No such thing"), "data/team.db cannot be opened", "Look at it.")
    may_pass = code in {getattr(errno, each) for each in MAY_PASS.split()}
    assert isinstance(told, SystemUnavailable if may_pass else ConfigurationError)
    assert (code in PASSING) is may_pass
    assert str(told) == "data/team.db cannot be opened: no such thing. Look at it."


def test_a_fault_without_words_is_told_by_its_class() -> None:
    assert (
        str(of_system(TimeoutError(), "The disk does not answer", "Wait."))
        == "The disk does not answer: TimeoutError. Wait."
    )
