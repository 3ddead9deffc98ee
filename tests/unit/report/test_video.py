from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from reloc.errors import OutputError
from reloc.estimate import Verdict
from reloc.evaluate.frames import RunFrames
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.trajectory import load_tum
from reloc.mesh.load import load_mesh
from reloc.render.software import SoftwareRenderer
from reloc.report.video import overlay, write_video
from reloc.sinks.pictures import EDGE_COLOR, VERDICT_COLORS
from reloc.sources.open import open_source
from reloc.undistort import Undistorter
from tests.unit.report.made import estimates, run


class Scene:
    """The made recording, its map, and a run that was right in all frames but the fifth, where it was lost."""

    def __init__(self, recording: Path, folder: Path) -> None:
        source = open_source(str(recording))
        assert source.info.camera is not None
        self.raws = list(source)
        self.undistorter = Undistorter(source.info.camera)
        self.renderer = SoftwareRenderer(load_mesh(recording / "map" / "mesh.obj"))
        found = run(folder, estimates(load_tum(recording / "groundtruth.txt"), lost=[5])).frames
        assert found is not None
        self.frames: RunFrames = found

    def write(self, path: Path, raws: list[RawFrame] | None = None) -> int:
        return write_video(path, self.raws if raws is None else raws, self.frames, self.undistorter, self.renderer)

    def overlay(self, row: int) -> np.ndarray:
        return overlay(self.raws[row], self.frames, row, self.undistorter, self.renderer)


@pytest.fixture(scope="module")
def scene(made_recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(made_recording, tmp_path_factory.mktemp("video") / "run")


def played(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def edges(picture: np.ndarray) -> int:
    return int((np.abs(picture.astype(int) - EDGE_COLOR).max(axis=2) <= 2).sum())


def test_the_video_plays_as_the_camera_moved(scene: Scene, tmp_path: Path) -> None:
    assert scene.write(tmp_path / "new" / "a.mp4") == 8
    shown = played(tmp_path / "new" / "a.mp4")
    expected = (scene.frames.timestamps_ns - scene.frames.timestamps_ns[0]) * 1e-9
    np.testing.assert_allclose([time for time, _ in shown], expected, atol=1e-4)
    assert shown[0][1].shape == (240, 320, 3)
    # H.264 keeps the colours of a patch that does not move.
    for (_, picture), verdict in zip(shown, scene.frames.verdicts, strict=True):
        np.testing.assert_allclose(picture[3:12, 3:6].mean(axis=(0, 1)), VERDICT_COLORS[Verdict(verdict)], atol=12)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.mp4"]


def test_the_map_is_laid_over_where_there_is_a_pose_and_only_there(scene: Scene) -> None:
    assert edges(scene.overlay(2)) > 300
    assert edges(scene.overlay(5)) == 0
    _, plain = scene.undistorter(scene.raws[5]).rectify()
    np.testing.assert_array_equal(scene.overlay(5)[40:], plain[40:])


def test_a_picture_of_odd_size_loses_a_row_or_column(scene: Scene) -> None:
    lens = LensCamera(LensModel.PINHOLE, 319, 239, 300.0, 300.0, 159.0, 119.0, ())
    raw = replace(scene.raws[2], image=np.ascontiguousarray(scene.raws[2].image[:239, :319]))
    assert overlay(raw, scene.frames, 2, Undistorter(lens), scene.renderer).shape == (238, 318, 3)


def test_images_that_were_no_frames_are_left_out(scene: Scene, tmp_path: Path) -> None:
    between = replace(scene.raws[0], timestamp_ns=scene.raws[0].timestamp_ns + 5)
    assert scene.write(tmp_path / "a.mp4", [scene.raws[0], between, *scene.raws[4:6]]) == 3
    assert len(played(tmp_path / "a.mp4")) == 3


def test_what_cannot_be_written_leaves_nothing_behind(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="none of the images was taken at the time"):
        scene.write(tmp_path / "a.mp4", [replace(scene.raws[0], timestamp_ns=7)])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write the video"):
        scene.write(tmp_path / "file" / "a.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_source_that_breaks_off_leaves_the_earlier_video(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("earlier")

    def breaking():  # type: ignore[no-untyped-def]
        yield scene.raws[0]
        raise OSError(5, "Input/output error")

    with pytest.raises(OutputError, match="Input/output error"):
        write_video(tmp_path / "a.mp4", breaking(), scene.frames, scene.undistorter, scene.renderer)
    assert (tmp_path / "a.mp4").read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 1
