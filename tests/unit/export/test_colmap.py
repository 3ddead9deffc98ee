"""COLMAP's own reader runs in a process of its own: its library and OpenCV's do not share one well."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import OutputError
from reloc.export.colmap import colmap_files
from reloc.export.formats import ExportFormat, export
from reloc.export.map_points import ColoredPoints, points_of_mesh
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from tests.tolerances import ALGEBRA
from tests.unit.export.made import COUNT, made, nameless

READER = """
import json, sys
import numpy as np, pycolmap
model = pycolmap.Reconstruction(sys.argv[1])
points = np.array(json.loads(sys.argv[2]))
camera = model.cameras[1]
found = {"camera": [camera.model.name, camera.width, camera.height], "images": {}, "points": {}}
for image in model.images.values():
    in_camera = [image.cam_from_world() * point for point in points]
    pixels = [np.array(camera.img_from_cam(p), float).tolist() for p in in_camera]
    found["images"][image.name] = {"in_camera": np.array(in_camera).tolist(), "pixels": pixels}
for key, point in model.points3D.items():
    found["points"][key] = [point.xyz.tolist(), point.color.tolist()]
print(json.dumps(found))
"""


def _pycolmap(folder: Path, points: np.ndarray) -> dict:
    if importlib.util.find_spec("pycolmap") is None:
        pytest.skip("pycolmap is not installed")
    command = [sys.executable, "-c", READER, str(folder), json.dumps(points.tolist())]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict = json.loads(done.stdout.splitlines()[-1])
    return found


def _lens(model: LensModel, fy: float = 516.0) -> LensCamera:
    some = (-0.05, 0.03, 0.001, -0.002, 0.01, 0.02, -0.01, 0.005)
    return LensCamera(model, 640, 480, 518.0, fy, 318.0, 234.0, some[: len(model.parameter_names)])


@pytest.mark.parametrize(
    ("lens", "named"),
    [
        (_lens(LensModel.PINHOLE), "PINHOLE"),
        (_lens(LensModel.OPENCV), "OPENCV"),
        (_lens(LensModel.FULL_OPENCV), "FULL_OPENCV"),
        (_lens(LensModel.OPENCV_FISHEYE), "OPENCV_FISHEYE"),
        (_lens(LensModel.SIMPLE_RADIAL, 518.0), "SIMPLE_RADIAL"),
        (_lens(LensModel.RADIAL, 518.0), "RADIAL"),
        (_lens(LensModel.RADIAL), "OPENCV"),
    ],
)
def test_colmap_sees_each_point_where_we_do_half_a_pixel_further(tmp_path: Path, lens: LensCamera, named: str) -> None:
    poses = replace(made(3), lens=lens)
    export(poses, ExportFormat.COLMAP, tmp_path)
    in_camera = np.array([[0.1, -0.2, 2.0], [-0.4, 0.3, 1.5], [0.0, 0.0, 1.0]])
    in_world = poses.trajectory.pose(1).apply(in_camera)
    found = _pycolmap(tmp_path, in_world)
    assert found["camera"] == [named, 640, 480]
    assert sorted(found["images"]) == ["000000.jpg", "000002.jpg", "000004.jpg"]
    image = found["images"]["000002.jpg"]
    np.testing.assert_allclose(image["in_camera"], in_camera, atol=1e-9)
    # COLMAP's first pixel has its centre at (0.5, 0.5), ours at (0, 0).
    np.testing.assert_allclose(np.array(image["pixels"]) - 0.5, lens.project(in_camera), atol=1e-6)


def test_points_go_with_the_poses(tmp_path: Path) -> None:
    points = ColoredPoints(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([[255, 0, 10], [1, 2, 3]], np.uint8))
    export(made(), ExportFormat.COLMAP, tmp_path, points=points)
    found = _pycolmap(tmp_path, points.positions)
    assert found["points"] == {"1": [[1, 2, 3], [255, 0, 10]], "2": [[4, 5, 6], [1, 2, 3]]}
    assert len(found["images"]) == COUNT


def test_our_own_reader_of_calibrations_reads_the_camera(tmp_path: Path) -> None:
    export(made(), ExportFormat.COLMAP, tmp_path)
    assert load_calibration(tmp_path / "cameras.txt") == made().lens


def test_without_a_lens_the_images_are_the_undistorted_ones() -> None:
    camera = colmap_files(replace(made(), lens=None))["cameras.txt"].splitlines()[1]
    assert camera == "1 PINHOLE 640 480 500.0 501.0 320.0 240.0"


def test_what_colmap_could_not_read_is_refused() -> None:
    poses = made(3)
    cases = [
        (replace(poses, camera=None, lens=None), "give --camera FILE"),
        (nameless(poses), "3 of 3 poses have none"),
        (replace(poses, names=("a.jpg", "my image.jpg", "c.jpg")), "space in it: `my image.jpg`"),
        (replace(poses, names=("a.jpg", "a.jpg", "c.jpg")), "images of the same name"),
    ]
    for each, message in cases:
        with pytest.raises(OutputError, match=message):
            colmap_files(each)


def test_vertices_have_the_colour_of_the_texture_there() -> None:
    texture = np.zeros((4, 8, 3), np.uint8)
    texture[0, 0], texture[3, 7], texture[1, 5] = (1, 2, 3), (4, 5, 6), (7, 8, 9)
    # The centres of the texels at (row, column) (0, 0) and (1, 5), and the very corner of the texture.
    uv = np.array([[[0.5 / 8, 0.5 / 4], [1.0, 1.0], [5.5 / 8, 1.5 / 4]]], np.float32)
    vertices = np.arange(12, dtype=np.float32).reshape(4, 3)
    mesh = TexturedMesh(vertices, np.array([[2, 0, 1]], np.int32), uv, np.zeros(1, np.int16), (texture,))
    found = points_of_mesh(mesh)
    np.testing.assert_array_equal(found.colors, [[4, 5, 6], [7, 8, 9], [1, 2, 3], [128, 128, 128]])
    np.testing.assert_array_equal(found.positions, vertices)
    target = SE3.exp([1, 2, 3, 0.1, 0.2, 0.3])
    np.testing.assert_allclose(found.moved(target, 2.0).positions, target.apply(2.0 * vertices), atol=ALGEBRA)
    painted = replace(mesh, vertex_colors=np.full((4, 3), 9, np.uint8))
    assert (points_of_mesh(painted).colors == 9).all()
