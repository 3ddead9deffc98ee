from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reloc.frame import RawFrame
from reloc.sinks.recorder import Recorder, RecordFormat
from reloc.sources.open import open_source
from reloc.sources.source import SourceInfo

INFO = SourceInfo("made", live=True, length=None, camera=None)
# In work, waiting, and held back until the next frame closes its cluster: what a killed process may lose.
IN_FLIGHT = 3


def made(index: int) -> RawFrame:
    image = np.random.default_rng(index).integers(0, 256, (240, 320, 3), np.uint8)
    return RawFrame(index, 10**18 + index * 33_333_333, image)


def record_for_ever(folder: Path, form: str) -> None:
    """Record, and say after each frame how many were handed over. Runs in a process of its own."""
    recorder = Recorder(folder, form=RecordFormat(form), waits=True, queue_bytes=1, reserve_bytes=0)
    recorder.open(INFO, None)
    for index in range(10_000):
        recorder.put(made(index), f"{index}.0 0 0 0 0 0 0 1")
        os.write(1, b"%d\n" % index)


def _killed_after(handed: int, folder: Path, form: RecordFormat) -> int:
    """Return how many frames were handed over at least when the recording process was killed."""
    call = f"from tests.unit.sinks.recorder.test_killed import *; record_for_ever(Path({str(folder)!r}), {form.value!r})"
    with subprocess.Popen([sys.executable, "-c", call], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(handed)]
        child.send_signal(signal.SIGKILL)
        said += [int(line) for line in child.stdout]
    assert child.returncode == -signal.SIGKILL
    return said[-1] + 1


@pytest.mark.parametrize("handed", [5, 40])
@pytest.mark.parametrize("form", [RecordFormat.PNG, RecordFormat.FFV1, RecordFormat.H264])
def test_a_recording_whose_process_is_killed_can_be_read_up_to_the_last_frames(
    tmp_path: Path, form: RecordFormat, handed: int
) -> None:
    least = _killed_after(handed, tmp_path / "r", form)
    source = open_source(str(tmp_path / "r"))
    frames = list(source)
    assert least - IN_FLIGHT <= len(frames) <= least + 1
    assert source.info.length == len(frames)
    for index, frame in enumerate(frames):
        assert (frame.index, frame.timestamp_ns) == (index, made(index).timestamp_ns)
        difference = np.abs(frame.image.astype(int) - made(index).image).max()
        assert difference == 0 or not form.is_exact
    poses = (tmp_path / "r" / "trajectory.txt").read_text().splitlines()
    assert len(frames) <= len(poses) <= len(frames) + 2  # a heading, and a pose whose frame is held back
