from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reloc.ros.cyclone_bus import LOOPBACK

PEER = Path(__file__).parent / "peer.py"


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """A domain that no other test run on this machine is likely to be in."""
    number = 1 + os.getpid() % 200
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    monkeypatch.setenv("CYCLONEDDS_URI", LOOPBACK)
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    return number


@pytest.fixture
def peer(domain: int) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start other processes on the network; they are gone when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, str(PEER), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()
