"""TUM, KITTI, EuRoC, CSV, JSON and BOP, read by evo (as a program: it is under the GPL) and by hand."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reloc.errors import OutputError
from reloc.export.formats import ExportFormat, export
from reloc.geometry.trajectory import Trajectory, load_tum
from reloc.geometry.uncertainty import position_and_turn_covariance
from tests.tolerances import ALGEBRA, TUM_DECIMALS
from tests.unit.export.made import COUNT, made, run
from tests.unit.sinks.estimates import CAMERA

POSES = made()


def _same(found: Trajectory, tolerance: float) -> None:
    """Compare with the poses that were exported; evo keeps times as floats, good to 240 ns in 2023."""
    np.testing.assert_allclose(found.timestamps_ns, POSES.trajectory.timestamps_ns, atol=500, rtol=0)
    np.testing.assert_allclose(found.translations, POSES.trajectory.translations, atol=tolerance)
    signs = np.sign(np.sum(found.quaternions * POSES.trajectory.quaternions, axis=1, keepdims=True))
    np.testing.assert_allclose(found.quaternions * signs, POSES.trajectory.quaternions, atol=tolerance)


def test_tum_is_what_the_project_itself_reads(tmp_path: Path) -> None:
    assert export(POSES, ExportFormat.TUM, tmp_path / "poses.tum") == [tmp_path / "poses.tum"]
    found = load_tum(tmp_path / "poses.tum")
    np.testing.assert_array_equal(found.timestamps_ns, POSES.trajectory.timestamps_ns)
    _same(found, TUM_DECIMALS)


@pytest.mark.parametrize(("kind", "reader"), [(ExportFormat.TUM, "tum"), (ExportFormat.EUROC, "euroc")])
def test_evo_reads_the_same_poses(tmp_path: Path, kind: ExportFormat, reader: str) -> None:
    export(POSES, kind, tmp_path / "poses.csv")
    run(tmp_path, "evo_traj", reader, "poses.csv", "--save_as_tum")
    _same(load_tum(tmp_path / "poses.tum"), 2e-9)


def test_evo_reads_the_same_kitti_matrices(tmp_path: Path) -> None:
    export(POSES, ExportFormat.KITTI, tmp_path / "kitti")
    run(tmp_path, "evo_traj", "kitti", "kitti/poses.txt", "--save_as_kitti")
    found = np.loadtxt(tmp_path / "poses.kitti").reshape(-1, 3, 4)
    expected = [POSES.trajectory.pose(i).matrix[:3] for i in range(COUNT)]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    times = (tmp_path / "kitti" / "times.txt").read_text().splitlines()
    assert times[1] == "1700000000.033333333"
    assert len(times) == COUNT


def test_euroc_has_integers_of_nanoseconds_and_the_real_part_first(tmp_path: Path) -> None:
    export(POSES, ExportFormat.EUROC, tmp_path / "data.csv")
    head, first, *_ = (tmp_path / "data.csv").read_text().splitlines()
    assert head.startswith("#timestamp [ns],p_RS_R_x [m]")
    values = first.split(",")
    assert values[0] == "1700000000000000000"
    np.testing.assert_allclose(np.array(values[4:], dtype=float), POSES.trajectory.quaternions[0], atol=TUM_DECIMALS)


def test_the_table_has_everything_in_named_columns(tmp_path: Path) -> None:
    unknown = POSES.covariances.copy()
    unknown[3] = np.nan
    export(replace(POSES, covariances=unknown), ExportFormat.CSV, tmp_path / "poses.csv")
    with (tmp_path / "poses.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == COUNT
    row = rows[2]
    said = [row[key] for key in ("index", "name", "timestamp_s", "timestamp_ns", "verdict")]
    assert said == ["4", "000004.jpg", "1700000000.066666666", "1700000000066666666", "TRACKED"]
    position = [float(row[axis]) for axis in ("x_m", "y_m", "z_m")]
    np.testing.assert_allclose(position, POSES.trajectory.translations[2], atol=TUM_DECIMALS)
    np.testing.assert_allclose(
        [float(row[part]) for part in ("qw", "qx", "qy", "qz")], POSES.trajectory.quaternions[2], atol=TUM_DECIMALS
    )
    expected = np.sqrt(np.diag(position_and_turn_covariance(POSES.covariances[2], POSES.trajectory.translations[2])))
    sigmas = [float(row[f"sigma_{axis}"]) for axis in ("x_m", "y_m", "z_m", "rot_x_deg", "rot_y_deg", "rot_z_deg")]
    np.testing.assert_allclose(sigmas, [*expected[:3], *np.degrees(expected[3:])], rtol=1e-5)
    assert rows[3]["sigma_x_m"] == ""


def test_json_says_its_conventions_and_keeps_every_digit(tmp_path: Path) -> None:
    unknown = POSES.covariances.copy()
    unknown[3] = np.nan
    export(replace(POSES, covariances=unknown), ExportFormat.JSON, tmp_path / "poses.json")
    found = json.loads((tmp_path / "poses.json").read_text())
    assert found["convention"]["quaternion"] == "w, x, y, z"
    assert (found["camera"]["fx"], found["lens"]["model"]) == (500.0, "OPENCV")
    pose = found["poses"][2]
    assert (pose["index"], pose["name"], pose["timestamp"], pose["timestamp_ns"], pose["verdict"]) == (
        4, "000004.jpg", "1700000000.066666666", 1_700_000_000_066_666_666, "TRACKED",
    )  # fmt: skip
    np.testing.assert_array_equal(pose["translation"], POSES.trajectory.translations[2])
    np.testing.assert_array_equal(pose["quaternion_wxyz"], POSES.trajectory.quaternions[2])
    np.testing.assert_allclose(pose["matrix"], POSES.trajectory.pose(2).matrix, atol=ALGEBRA)
    np.testing.assert_array_equal(pose["covariance"], POSES.covariances[2])
    assert found["poses"][3]["covariance"] is None


def test_bop_is_the_pose_of_the_model_in_the_camera_in_millimetres(tmp_path: Path) -> None:
    export(POSES, ExportFormat.BOP, tmp_path / "bop")
    truth = json.loads((tmp_path / "bop" / "scene_gt.json").read_text())
    cameras = json.loads((tmp_path / "bop" / "scene_camera.json").read_text())
    assert list(truth) == list(cameras) == [str(2 * i) for i in range(COUNT)]
    point_in_world = np.array([9.0, -19.0, 8.0])
    expected = POSES.trajectory.pose(2).inverse().apply(point_in_world)
    (annotation,) = truth["4"]
    in_camera_mm = np.reshape(annotation["cam_R_m2c"], (3, 3)) @ (1000 * point_in_world) + annotation["cam_t_m2c"]
    np.testing.assert_allclose(in_camera_mm / 1000, expected, atol=1e-9)
    assert annotation["obj_id"] == 1
    np.testing.assert_array_equal(np.reshape(cameras["4"]["cam_K"], (3, 3)), CAMERA.matrix)
    with (tmp_path / "bop" / "results.csv").open() as stream:
        row = list(csv.DictReader(stream))[2]
    assert (row["scene_id"], row["im_id"], row["obj_id"], row["time"]) == ("1", "4", "1", "-1")
    rotation, shift = np.array(row["R"].split(), float).reshape(3, 3), np.array(row["t"].split(), float)
    np.testing.assert_allclose((rotation @ (1000 * point_in_world) + shift) / 1000, expected, atol=1e-8)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_bop_without_a_camera_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="give --camera FILE"):
        export(replace(POSES, camera=None, lens=None), ExportFormat.BOP, tmp_path / "bop")


def test_images_are_counted_where_not_every_pose_is_a_frame(tmp_path: Path) -> None:
    export(replace(POSES, indices=np.full(COUNT, -1)), ExportFormat.BOP, tmp_path / "bop")
    assert list(json.loads((tmp_path / "bop" / "scene_gt.json").read_text())) == [str(i) for i in range(COUNT)]


def test_what_is_there_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "times.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"there is something already.*--overwrite.*times\.txt"):
        export(POSES, ExportFormat.KITTI, tmp_path)
    assert not (tmp_path / "poses.txt").exists()
    assert export(POSES, ExportFormat.KITTI, tmp_path, overwrite=True) == [tmp_path / "poses.txt", tmp_path / "times.txt"]


def test_a_quarter_turn_by_hand(tmp_path: Path) -> None:
    turn = Rotation.from_euler("z", 90, degrees=True)
    one = Trajectory(np.array([5]), np.array([[1.0, 2.0, 3.0]]), np.roll(turn.as_quat(), 1)[None])
    poses = replace(made(1), trajectory=one)
    export(poses, ExportFormat.KITTI, tmp_path)
    row = np.array((tmp_path / "poses.txt").read_text().split(), float)
    np.testing.assert_allclose(row, [0, -1, 0, 1, 1, 0, 0, 2, 0, 0, 1, 3], atol=1e-12)
