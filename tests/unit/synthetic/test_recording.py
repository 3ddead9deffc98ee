from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.errors import CalibrationError, ConfigError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import load_tum
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.software import SoftwareRenderer
from reloc.sources.open import open_source
from reloc.synthetic.camera import Imperfections, SyntheticCamera, demo_lens
from reloc.synthetic.recording import make_recording

_PERFECT = Imperfections(exposure_s=0, sub_exposures=1, drift=0, flicker=0, noise=0)
_SIZE = (160, 120)


def _spots(points: np.ndarray, radius: float) -> TexturedMesh:
    """White squares around points on a black wall at z = 2, seen from z < 2 with OpenCV's axes."""
    wall = np.array([[-9, -9, 2.01], [9, -9, 2.01], [9, 9, 2.01], [-9, 9, 2.01]])
    square = radius * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    vertices = np.concatenate([wall, *(point + square for point in points)]).astype(np.float32)
    count = len(vertices) // 4
    faces = np.concatenate([np.array([[0, 2, 1], [0, 3, 2]]) + 4 * i for i in range(count)]).astype(np.int32)
    colors = np.full((len(vertices), 3), 255, np.uint8)
    colors[:4] = 0
    return TexturedMesh(vertices, faces, np.zeros((0, 3, 2), np.float32), np.zeros(len(faces), np.int16), (), colors)


def _centroids(image: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Centres of light (N, 2) within 12 px of where they are expected."""
    grey = image.astype(np.float64).mean(axis=2)
    v, u = np.mgrid[: grey.shape[0], : grey.shape[1]]
    windows = [grey * (np.hypot(u - x, v - y) < 12) for x, y in expected]
    return np.array([[(w * u).sum() / w.sum(), (w * v).sum() / w.sum()] for w in windows])


@pytest.mark.parametrize("sub_exposures", [1, 4])
def test_points_appear_where_opencv_projects_them(sub_exposures: int) -> None:
    lens = LensCamera(LensModel.OPENCV, 320, 240, 250.0, 240.0, 150.0, 125.0, (-0.2, 0.08, 0.004, -0.006))
    points = np.array([[x, y, 2.0] for x in (-0.9, 0.0, 0.8) for y in (-0.6, 0.1, 0.6)])
    camera_from_world = SE3.exp([0.05, -0.04, 0.1, 0.03, -0.05, 0.1])
    imperfections = Imperfections(exposure_s=0, sub_exposures=sub_exposures, drift=0, flicker=0, noise=0)
    camera = SyntheticCamera(SoftwareRenderer(_spots(points, 0.02)), lens, imperfections, seed=0)
    image = camera.photograph(0, 0.0, lambda time_s: camera_from_world.inverse())
    rotation = cv2.Rodrigues(camera_from_world.rotation)[0]
    expected, _ = cv2.projectPoints(
        points, rotation, camera_from_world.translation, lens.pinhole.matrix, np.array(lens.distortion)
    )
    found = _centroids(image, expected[:, 0])
    # A spot of 5 px drawn without anti-aliasing is off by up to a third of a pixel; four offset renderings halve that.
    assert np.abs(found - expected[:, 0]).max() < {1: 0.35, 4: 0.2}[sub_exposures]
    assert np.abs((found - expected[:, 0]).mean(axis=0)).max() < 0.12


def test_a_perfect_pinhole_camera_shows_the_rendering() -> None:
    renderer = SoftwareRenderer(_spots(np.array([[0.1, 0.2, 2.0]]), 0.3))
    lens = LensCamera(LensModel.PINHOLE, 160, 120, 130.0, 131.0, 80.3, 60.6)
    image = SyntheticCamera(renderer, lens, _PERFECT, seed=0).photograph(0, 0.0, lambda time_s: SE3.identity())
    rendering = renderer.render(PinholeCamera(160, 120, 130.0, 131.0, 80.3, 60.6), SE3.identity())
    difference = np.abs(image / 255 - renderer.shade(rendering, color=True)).max(axis=2)
    assert np.mean(difference > 0.01) < 0.02  # the rims, which come from a grid that lies elsewhere


def test_motion_blurs_by_speed_times_exposure_around_the_pose_at_mid_exposure() -> None:
    lens = LensCamera(LensModel.PINHOLE, 160, 120, 200.0, 200.0, 80.0, 60.0)
    imperfections = Imperfections(exposure_s=0.05, sub_exposures=25, drift=0, flicker=0, noise=0)
    camera = SyntheticCamera(SoftwareRenderer(_spots(np.array([[0.0, 0.0, 2.0]]), 0.05)), lens, imperfections, seed=0)
    image = camera.photograph(0, 7.0, lambda time_s: SE3(np.eye(3), np.array([4.0 * (time_s - 7.0), 0.0, 0.0]))) / 255
    profile = image[60, :, 0]
    # 4 m/s for 0.05 s at 2 m and 200 px: a trail of 20 px, smeared over a spot 10 px wide.
    assert (profile * np.arange(160)).sum() / profile.sum() == pytest.approx(80, abs=0.3)
    assert profile.sum() == pytest.approx(10, abs=0.7)
    assert np.count_nonzero(profile > 0.02) == pytest.approx(30, abs=2)


def test_drift_flicker_and_noise_have_their_sizes() -> None:
    white = _spots(np.zeros((0, 3)), 1.0)
    assert white.vertex_colors is not None
    grey = TexturedMesh(white.vertices, white.faces, white.uv, white.material, (), np.full((4, 3), 100, np.uint8))
    lens = LensCamera(LensModel.PINHOLE, 64, 48, 60.0, 60.0, 32.0, 24.0)
    imperfections = Imperfections(exposure_s=0, sub_exposures=1, drift=0.2, flicker=0.02, noise=0.03)
    camera = SyntheticCamera(SoftwareRenderer(grey), lens, imperfections, seed=1)
    images = np.stack([camera.photograph(i, i / 30, lambda time_s: SE3.identity()) for i in range(210)])  # one period of drift
    gains = images.mean(axis=(1, 2, 3)) / 100
    assert images.std(axis=(1, 2, 3)).mean() == pytest.approx(255 * 0.03, rel=0.03)
    assert gains.mean() == pytest.approx(1, abs=0.01)
    assert gains.max() == pytest.approx(1.2, abs=0.06)
    assert gains.min() == pytest.approx(0.8, abs=0.06)
    # The drift hardly moves between frames, so their differences are flicker, times √2.
    assert np.diff(gains).std() / np.sqrt(2) == pytest.approx(0.02, rel=0.2)


def test_a_lens_too_wide_for_a_plane_is_refused() -> None:
    fisheye = LensCamera(LensModel.OPENCV_FISHEYE, 640, 480, 210.0, 210.0, 320.0, 240.0, (0.0, 0.0, 0.0, 0.0))
    with pytest.raises(CalibrationError, match="too wide"):
        SyntheticCamera(SoftwareRenderer(_spots(np.zeros((0, 3)), 1)), fisheye, _PERFECT, seed=0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("made") / "new", frames=4, size=_SIZE, seed=5, fps=25)


def test_a_recording_is_what_the_folder_source_reads(recording: Path) -> None:
    source = open_source(str(recording))
    frames = list(source)
    assert source.info.camera == demo_lens(*_SIZE)
    assert source.info.clock == "recording"
    assert [frame.timestamp_ns for frame in frames] == [0, 40_000_000, 80_000_000, 120_000_000]
    assert all(frame.image.shape == (120, 160, 3) for frame in frames)
    assert source.info.groundtruth is not None
    assert load_tum(source.info.groundtruth).timestamps_ns.tolist() == [frame.timestamp_ns for frame in frames]


def test_images_fit_the_map_best_at_the_ground_truth(recording: Path) -> None:
    lens = demo_lens(*_SIZE)
    renderer = SoftwareRenderer(load_mesh(recording / "map" / "mesh.obj", cache=False))
    truth = load_tum(recording / "groundtruth.txt")
    images = [cv2.undistort(f.image, lens.pinhole.matrix, np.array(lens.distortion)) for f in open_source(str(recording))]

    def fit(offset: np.ndarray) -> float:
        poses = [truth.pose(index) @ SE3.exp(offset) for index in range(len(images))]
        return float(np.mean([_correlation(renderer, lens.pinhole, *pair) for pair in zip(poses, images, strict=True)]))

    at_truth = fit(np.zeros(6))
    assert at_truth > 0.955
    # Sideways and turning up and to the side; the other two are weakly seen. Half a pixel is 0.004 rad, or 1 cm at 2.5 m.
    for axis, step, tolerance in ((0, 0.008, 0.0015), (1, 0.008, 0.0015), (3, 0.004, 0.0004), (4, 0.004, 0.0004)):
        plus, minus = (fit(sign * step * np.eye(6)[axis]) for sign in (1, -1))
        assert max(plus, minus) < at_truth
        vertex = 0.5 * step * (plus - minus) / (2 * at_truth - plus - minus)  # of the parabola through the three
        assert abs(vertex) < tolerance


def _correlation(renderer: SoftwareRenderer, camera: PinholeCamera, world_from_camera: SE3, image: np.ndarray) -> float:
    rendering = renderer.render(camera, world_from_camera.inverse())
    inner = np.s_[8:-8, 8:-8]  # cv2.undistort leaves black rims
    drawn = renderer.shade(rendering, color=True)[inner]
    return float(np.corrcoef(drawn.ravel(), image[inner].ravel())[0, 1])


def test_the_same_seed_writes_the_same_bytes(recording: Path, tmp_path: Path) -> None:
    again = make_recording(tmp_path / "again", frames=4, size=_SIZE, seed=5, fps=25)
    files = sorted(path.relative_to(recording) for path in recording.rglob("*") if path.is_file())
    assert len(files) == 4 + 3 + 3  # images; calibration, times, truth; mesh, material, texture
    assert all((recording / name).read_bytes() == (again / name).read_bytes() for name in files)


def test_consecutive_images_differ(recording: Path) -> None:
    images = [frame.image.astype(int) for frame in open_source(str(recording))]
    assert min(np.abs(a - b).mean() for a, b in pairwise(images)) > 2


def test_progress_is_told_of_every_image(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make_recording(tmp_path, frames=3, size=(32, 24), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("frames", "fps"), [(0, 30.0), (5, 0.0), (5, float("nan"))])
def test_numbers_that_make_no_recording_are_refused(tmp_path: Path, frames: int, fps: float) -> None:
    with pytest.raises(ConfigError, match="at least one frame"):
        make_recording(tmp_path, frames=frames, fps=fps)
