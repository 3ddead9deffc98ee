"""Keeps other machines away from the sockets of cyclonedds, which listens on all of a machine's addresses whatever it is told.

https://github.com/eclipse-cyclonedds/cyclonedds/issues/2090
"""

from __future__ import annotations

import logging
import os
import socket
import stat
import sys
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")
_ANY = ("0.0.0.0", "::")
# RTPS 2.2, section 9.6.1: ports begin at 7400, and each domain has 250 of them.
_FIRST_PORT, _PORTS = 7400, 250
_LOOPBACK = b"lo\0"

_log = logging.getLogger(__name__)


def confine_to_loopback(domain: int) -> int:
    """Let the sockets of a DDS domain in this process hear the loopback interface only; return how many there are.

    Only Linux can do that from outside of the library; a warning says where it cannot be done.
    """
    if sys.platform != "linux":
        _log.warning("Other machines can reach the ROS 2 ports of this process: a firewall must keep them away")
        return 0
    ports = range(_FIRST_PORT + _PORTS * domain, _FIRST_PORT + _PORTS * (domain + 1))
    return sum(_confine(int(entry.name), ports) for entry in _DESCRIPTORS.iterdir())


def _confine(descriptor: int, ports: range) -> bool:
    """Bind a socket to the loopback interface, if it is one that listens on one of the ports on any address."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        # A second handle of the same socket, which may be closed.
        with socket.socket(fileno=os.dup(descriptor)) as handle:
            is_any = handle.type is socket.SOCK_DGRAM and handle.getsockname()[0] in _ANY
            if not is_any or handle.getsockname()[1] not in ports:
                return False
            if handle.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16) != _LOOPBACK:
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LOOPBACK)
            return True
    except PermissionError as error:
        _log.warning("Other machines can reach the ROS 2 ports of this process (%s): a firewall must keep them away", error)
        return False
    except (OSError, IndexError):
        return False  # no socket, or gone meanwhile
