"""What a run records gives the same run again, bit by bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reloc.commands.tracking import Request, track_into_folder
from reloc.config import load_config
from reloc.synthetic.recording import make_recording

FRAMES = 5


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("walk"), frames=FRAMES, size=(320, 240))


def _track(source: Path, walk: Path, out: Path, *settings: str) -> list[dict[str, Any]]:
    """Track against the map of `walk`; return what is known of the frames, without the times it took."""
    config = load_config(None, settings)
    track_into_folder(Request(str(source), walk / "map", walk / "camera.yaml", str(walk / "groundtruth.txt"), out, config))
    lines = (out / "frames.jsonl").read_text().splitlines()
    return [{**json.loads(line), "milliseconds": None, "name": None} for line in lines]


@pytest.mark.parametrize("form", ["png", "ffv1"])
def test_a_recording_and_a_bag_of_a_run_give_the_same_run(walk: Path, tmp_path: Path, form: str) -> None:
    settings = ["record.enabled=true", f"record.format={form}", "mcap.enabled=true", "mcap.images=png"]
    first = _track(walk, walk, tmp_path / "first", *settings)
    assert len(first) == FRAMES
    assert _track(tmp_path / "first" / "recording", walk, tmp_path / "second") == first
    assert _track(tmp_path / "first" / "session.mcap", walk, tmp_path / "third") == first
    assert (tmp_path / "first" / "recording" / "trajectory.txt").read_bytes() == (
        tmp_path / "first" / "trajectory.txt"
    ).read_bytes()
