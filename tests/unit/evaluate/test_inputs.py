from __future__ import annotations

import json
from pathlib import Path

import pytest

from reloc.evaluate.inputs import RunInputs, absolute, cameras_of, inputs_of
from reloc.evaluate.run import load_run
from tests.unit.evaluate.runs import write_run
from tests.unit.sinks.estimates import CAMERA, LENS, estimate


def test_inputs_and_cameras_come_back_from_the_summary(tmp_path: Path) -> None:
    inputs = RunInputs("/a/walk.mp4", "/b/hall.glb", every=3, part=(5, None), fps=29.97, mask="/c.png", groundtruth="/d.txt")
    summary = load_run(write_run(tmp_path / "run", [estimate()], inputs=inputs.as_mapping())).summary
    assert inputs_of(summary) == inputs
    assert cameras_of(summary) == (CAMERA, LENS)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"inputs": null}',
        '{"inputs": 3}',
        '{"inputs": {"source": "a"}}',
        '{"inputs": {"source": 1, "map": 2, "every": "x"}}',
    ],
)
def test_a_summary_that_does_not_say_is_no_error(text: str) -> None:
    assert inputs_of(json.loads(text)) is None
    assert cameras_of(json.loads(text)) == (None, None)
    assert inputs_of(None) is None


def test_paths_become_absolute_and_other_sources_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert absolute("here") == str((tmp_path / "here").resolve())
    assert absolute("ros:/camera") == "ros:/camera"
    assert absolute("frames/*.png") == "frames/*.png"
