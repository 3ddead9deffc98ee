from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.errors import SourceError
from reloc.geometry.calibration import save_calibration, save_rig
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.sources.open import open_source

LENSES = {
    "left": LensCamera(LensModel.PINHOLE, 32, 24, 30, 30, 16, 12),
    "right": LensCamera(LensModel.PINHOLE, 40, 20, 30, 30, 20, 10),
}
# Seconds. The right camera is a millisecond late, misses the second instant, and sees one that the left one missed.
TIMES = {"left": (0.0, 0.1, 0.2), "right": (0.001, 0.201, 0.3)}


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    for name, lens in LENSES.items():
        (tmp_path / name / "images").mkdir(parents=True)
        save_calibration(lens, tmp_path / name / "camera.yaml")
        lines = []
        for number, time_s in enumerate(TIMES[name]):
            cv2.imwrite(
                str(tmp_path / name / "images" / f"{number}.png"), np.full((lens.height, lens.width), 50 + number, np.uint8)
            )
            lines.append(f"{time_s} images/{number}.png")
        (tmp_path / name / "timestamps.txt").write_text("\n".join(lines) + "\n")
    poses = {"left": SE3.identity(), "right": SE3.exp([-0.1, 0, 0, 0, 0, 0])}
    save_rig(tmp_path / "rig.yaml", {name: f"{name}/camera.yaml" for name in LENSES}, poses)
    return tmp_path


def test_images_of_one_instant_come_together(rig: Path) -> None:
    source = open_source(str(rig))
    frames = list(source)
    assert source.info.rig is not None
    assert source.info.rig.names == ("left", "right")
    assert (source.info.length, source.info.camera, source.info.kind) == (4, LENSES["left"], "rig")
    assert [frame.timestamp_ns for frame in frames] == [0, 100_000_000, 200_000_000, 300_000_000]
    assert [set(frame.others) for frame in frames] == [{"right"}, set(), {"right"}, {"right"}]
    assert [frame.image[0, 0] for frame in frames] == [50, 51, 52, 0]
    assert [frame.others["right"].image[0, 0] for frame in frames if frame.others] == [50, 51, 52]
    assert frames[0].others["right"].image.shape == (20, 40)
    assert frames[0].others["right"].name == "right/0.png"


def test_where_the_first_camera_missed_an_instant_all_is_to_be_ignored(rig: Path) -> None:
    *there, missing = open_source(str(rig))
    assert all(frame.ignore is None for frame in there)
    assert missing.ignore is not None
    assert missing.ignore.all()
    assert missing.image.shape == (24, 32)


def test_a_camera_without_a_folder_is_named(rig: Path) -> None:
    (rig / "right").rename(rig / "elsewhere")
    files = {"left": "left/camera.yaml", "right": "elsewhere/camera.yaml"}
    save_rig(rig / "rig.yaml", files, dict.fromkeys(files, SE3.identity()))
    with pytest.raises(SourceError, match=r"this one is missing \[.*right\]"):
        open_source(str(rig))
