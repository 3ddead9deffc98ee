from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reloc.errors import ConfigError
from reloc.sinks.rerun_viewer import process

PATIENCE_S = 30.0
LIVES = '#!/bin/sh\nexec 9>"$1"\necho $$ >&9\nexec sleep 1000\n'


class Pulse:
    """A pipe with a name that the child holds open: reading it ends with the child."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path

    def start(self) -> int:
        """Wait for the child and return its process id."""
        self._reading = self.path.open("rb")
        return int(self._reading.readline())

    def end(self) -> bytes:
        """Wait until the child is gone; one that survives fails here by the time limit of the run."""
        with self._reading:
            return self._reading.read()


@pytest.fixture
def pulse(tmp_path: Path) -> Pulse:
    return Pulse(tmp_path / "pulse")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "viewer"
    path.write_text(LIVES)
    path.chmod(0o755)
    monkeypatch.setattr(process, "viewer_program", lambda: path)
    return path


def test_the_viewer_program_is_found_and_is_the_version_that_we_need() -> None:
    found = subprocess.run(
        [process.viewer_program(), "--version"], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert "0.41." in found.stdout


def test_a_missing_viewer_program_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .*rerun-sdk==0\.41"):
        process.viewer_program()


@pytest.mark.usefixtures("program")
def test_stopping_ends_the_viewer(pulse: Pulse) -> None:
    child = process.start([str(pulse.path)], ends_with_us=True)
    pulse.start()
    process.stop(child)
    assert pulse.end() == b""
    assert child.returncode is not None


def test_the_viewer_ends_when_we_are_killed(program: Path, pulse: Pulse) -> None:
    parent = (
        "import signal\nfrom pathlib import Path\nfrom reloc.sinks.rerun_viewer import process\n"
        f"process.viewer_program = lambda: Path({str(program)!r})\n"
        f"child = process.start([{str(pulse.path)!r}], ends_with_us=True)\nsignal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as running:
        pulse.start()
        running.send_signal(signal.SIGKILL)
    assert pulse.end() == b""


@pytest.mark.usefixtures("program")
def test_a_window_outlives_us(pulse: Pulse) -> None:
    child = process.start([str(pulse.path)], ends_with_us=False)
    pid = pulse.start()
    assert child.stdin is None
    assert os.getsid(pid) != os.getsid(0)
    child.kill()
    child.wait(PATIENCE_S)
    assert pulse.end() == b""
