from __future__ import annotations

import importlib.util
import json
import logging
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.errors import ConfigError, TrajectoryError
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.places.colmap import Photograph, find_model, find_photographs
from reloc.places.index import build_index
from reloc.places.plan import PlaceRequest, plan_views
from reloc.places.sampling import Plausible
from tests.scenes import room
from tests.tolerances import ALGEBRA
from tests.unit.places.known_room import LENS, mesh, photograph, pose_at

MOMENTS = {"a.png": 0.5, "b.png": 4.0, "c.png": 9.0}

# Writes a model with COLMAP's own library, in a process of its own: beside OpenCV it has crashed.
WRITER = """
import json, sys, numpy as np, pycolmap
folder, given = sys.argv[1], json.loads(sys.argv[2])
model = pycolmap.Reconstruction()
camera = pycolmap.Camera(model="PINHOLE", width=given["width"], height=given["height"], params=given["params"], camera_id=7)
model.add_camera_with_trivial_rig(camera)
for number, (name, matrix) in enumerate(given["images"].items(), 1):
    image = pycolmap.Image(name=name, camera_id=7, image_id=number)
    model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.array(matrix)))
(model.write_binary if given["binary"] else model.write_text)(folder)
"""


def photographs(folder: Path) -> list[Photograph]:
    """Return photographs of the room, whose files are written into a folder."""
    folder.mkdir()
    for name, second in MOMENTS.items():
        cv2.imwrite(str(folder / name), photograph(second)[..., ::-1])
    return [Photograph(folder / name, LENS, pose_at(second)) for name, second in MOMENTS.items()]


def _write_model(folder: Path, *, binary: bool) -> None:
    if importlib.util.find_spec("pycolmap") is None:
        pytest.skip("pycolmap is not installed")
    # COLMAP counts pixels from the corner of the first one, not from its centre.
    params = [LENS.fx, LENS.fy, LENS.cx + 0.5, LENS.cy + 0.5]
    images = {name: pose_at(second).matrix[:3].tolist() for name, second in MOMENTS.items()}
    given = {"width": LENS.width, "height": LENS.height, "params": params, "images": images, "binary": binary}
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", WRITER, str(folder), json.dumps(given)], check=True, capture_output=True)


@pytest.mark.parametrize("binary", [True, False])
def test_photographs_of_a_model_that_colmap_wrote_are_found(tmp_path: Path, binary: bool) -> None:
    expected = photographs(tmp_path / "images")
    _write_model(tmp_path / "sparse" / "0", binary=binary)
    (tmp_path / "map").mkdir()
    (tmp_path / "images" / "b.png").unlink()
    model = find_model(tmp_path / "map")
    assert model == tmp_path / "sparse" / "0"
    found = find_photographs(model, tmp_path / "map")
    assert [one.path.name for one in found] == ["a.png", "c.png"]
    for one, other in zip(found, (expected[0], expected[2]), strict=True):
        np.testing.assert_allclose(one.camera_from_world.matrix, other.camera_from_world.matrix, atol=100 * ALGEBRA)
        assert one.lens == LENS


def test_where_there_is_no_model_none_is_found(tmp_path: Path) -> None:
    assert find_model(tmp_path) is None
    with pytest.raises(TrajectoryError, match="a COLMAP model was expected"):
        find_photographs(tmp_path, tmp_path)


def test_photographs_come_first_and_are_views_like_any(tmp_path: Path) -> None:
    request = PlaceRequest(views=3, photographs=photographs(tmp_path / "images"))
    plan = plan_views(room(), mesh(), request)
    assert (plan.photographs, len(plan.views)) == (3, 6)
    known = build_index(plan.views[:3])
    for number, second in enumerate(MOMENTS.values()):
        np.testing.assert_allclose(known.pose(number).matrix, pose_at(second).matrix, atol=ALGEBRA)
        assert len(known.features_of(number)[0]) > 60


def test_a_photograph_that_does_not_fit_the_map_is_left_out_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, moved, broken = photographs(tmp_path / "images")
    moved = Photograph(moved.path, LENS, SE3.exp([0, 0, 0, 0, 1.5, 0]) @ moved.camera_from_world)
    broken.path.write_bytes(b"no image")
    with caplog.at_level(logging.WARNING):
        plan = plan_views(room(), mesh(), PlaceRequest(views=3, photographs=[good, moved, broken]))
    assert plan.photographs == 1
    assert "b.png" in caplog.text
    assert "c.png" in caplog.text
    assert "a.png" not in caplog.text


def test_around_given_poses_means_at_and_beside_them() -> None:
    poses = [pose_at(0.0), pose_at(6.0)]
    plan = plan_views(room(), mesh(), PlaceRequest(views=5, poses=poses))
    found = [view().camera_from_world for view in plan.views]
    assert len(found) == 5
    for pose in found:
        apart = [
            (np.linalg.norm(pose.inverse().translation - known.inverse().translation), rotation_angle(pose, known))
            for known in poses
        ]
        assert any(metres < 1.5 and angle < 0.7 for metres, angle in apart)
    assert len({tuple(pose.translation) for pose in found}) == 5


def test_known_poses_say_what_is_up_and_how_far_things_are() -> None:
    """Heights need an up direction; photographs or poses give one, so that views sampled beside them stand upright."""
    poses = [pose_at(float(second)) for second in range(6)]
    request = PlaceRequest(views=4, plausible=Plausible(height=(0.5, 2.0)), poses=poses)
    for view in plan_views(room(), mesh(), request).views:
        assert -view().camera_from_world.rotation[1] @ [0, 0, 1] > 0.6


def test_poses_from_which_nothing_is_seen_are_refused() -> None:
    away = SE3.exp([0, 0, 500.0, 0, 0, 0]) @ pose_at(0)
    with pytest.raises(ConfigError, match="from none of the given poses the map is seen"):
        plan_views(room(), mesh(), PlaceRequest(views=2, poses=[away]))


def test_of_too_many_photographs_some_are_taken_evenly(tmp_path: Path) -> None:
    few = photographs(tmp_path / "images")
    plan = plan_views(room(), mesh(), PlaceRequest(views=2, photographs=few))
    assert plan.photographs == 2
    known = build_index(plan.views[:2])
    np.testing.assert_allclose(known.pose(1).matrix, few[2].camera_from_world.matrix, atol=ALGEBRA)


def test_where_no_photograph_fits_that_is_not_said_a_thousand_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = photographs(tmp_path / "images")[0]
    elsewhere = Photograph(one.path, LENS, SE3.exp([0, 0, 0, 0, 1.5, 0]) @ one.camera_from_world)
    with caplog.at_level(logging.WARNING):
        plan_views(room(), mesh(), PlaceRequest(views=9, photographs=[elsewhere] * 9))
    assert len(caplog.records) == 6
    assert "9 photographs are left out in all, of 9" in caplog.text
