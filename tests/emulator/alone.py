"""Run a command with no network but its own loopback: ``unshare --net python -m
tests.emulator.alone command …``.

The emulator is a program of others that listens on every interface; here there is nobody else to
hear it, and nowhere for it to call.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
"""linux/sockios.h and linux/if.h"""


def is_alone() -> bool:
    """Tell whether this process sees no network but loopback."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def raise_loopback() -> None:
    """Switch the loopback interface on; in a new network namespace it is off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("16xh", fcntl.ioctl(control, SIOCGIFFLAGS, request))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


if __name__ == "__main__":
    if not is_alone():
        sys.exit(
            "There is a network here. Start this in a network namespace of its own: unshare --net "
            "python -m tests.emulator.alone …"
        )
    raise_loopback()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - this is what it is for
