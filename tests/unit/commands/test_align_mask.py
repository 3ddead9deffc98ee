from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.errors import ConfigError, MeshError, SourceError
from reloc.frame import RawFrame
from reloc.geometry.calibration import save_calibration, save_rig
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.pose_text import parse_pose
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.geometry.trajectory import format_tum_line
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.software import SoftwareRenderer
from tests.scenes import lump, view_of_the_lump
from tests.tolerances import LUMP_DEG, LUMP_SHARE

DISTANCE = 5.0
LENS = LensCamera(LensModel.OPENCV, 480, 360, 560.0, 561.0, 238.0, 181.0, (-0.25, 0.08, 0.001, -0.001))
TRUTH = view_of_the_lump()
SECOND_FROM_FIRST = view_of_the_lump(80.0) @ TRUTH.inverse()
GUESS = SE3.exp([0.1, -0.1, 0.2, 0.03, -0.02, 0.06]) @ TRUTH


def photographs(pose: SE3, mesh: TexturedMesh) -> tuple[np.ndarray, np.ndarray]:
    """What the lens sees of a mesh, distortion and all: the mask and the picture, both 8 bits grey."""
    renderer = SoftwareRenderer(mesh)
    ideal = LENS.pinhole.area_scaled(2 * LENS.width, 2 * LENS.height)
    rendering = renderer.render(ideal, pose)
    v, u = np.mgrid[: LENS.height, : LENS.width]
    where = ideal.project(LENS.unproject(np.stack([u, v], axis=-1))).astype(np.float32)
    covered = cv2.remap(rendering.covered.astype(np.float32), where, None, cv2.INTER_LINEAR)
    picture = cv2.remap(renderer.shade(rendering), where, None, cv2.INTER_LINEAR)
    return np.where(covered >= 0.5, 255, 0).astype(np.uint8), np.rint(255 * picture).astype(np.uint8)


def painted_lump() -> TexturedMesh:
    """The lump with waves of grey at its vertices."""
    mesh = lump()
    x, y, z = mesh.vertices.astype(np.float64).T
    grey = 128 + 60 * np.sin(9 * x + 4 * y) + 50 * np.cos(8 * z - 5 * y)
    colors = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, None], 3, axis=1)
    return TexturedMesh(mesh.vertices, mesh.faces, mesh.uv, mesh.material, (), colors)


def written(path: Path, mesh: TexturedMesh, *, color: bool) -> Path:
    shades = [f" {c[0]} {c[1]} {c[2]}" for c in mesh.vertex_colors / 255] if color else [""] * len(mesh.vertices)
    lines = [f"v {x} {y} {z}{shade}" for (x, y, z), shade in zip(mesh.vertices, shades, strict=True)]
    path.write_text("\n".join(lines + [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]) + "\n")
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lump")
    save_calibration(LENS, folder / "camera.yaml")
    save_rig(
        folder / "rig.yaml",
        {"left": "camera.yaml", "right": "camera.yaml"},
        {"left": SE3.identity(), "right": SECOND_FROM_FIRST},
    )
    written(folder / "bare.obj", lump(), color=False)
    written(folder / "painted.obj", painted_lump(), color=True)
    for name, pose in (("left", TRUTH), ("right", SECOND_FROM_FIRST @ TRUTH)):
        mask, picture = photographs(pose, painted_lump())
        cv2.imwrite(str(folder / f"{name}.png"), mask)
        cv2.imwrite(str(folder / f"{name}_picture.png"), picture)
    cv2.imwrite(str(folder / "elsewhere.png"), np.roll(np.eye(360, 480, dtype=np.uint8)[:, ::-1], 5) * 255)
    cv2.imwrite(str(folder / "black.png"), np.zeros((360, 480), np.uint8))
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def align(*arguments: object) -> Result:
    result = CliRunner().invoke(make_app("align"), ["align", *map(str, arguments)])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def init(pose: SE3 = GUESS) -> str:
    return format_tum_line(0, pose.inverse()).split(" ", 1)[1]


def one(scene: Path, mesh: str, mask: str, *more: object) -> Result:
    return align(
        *more, "--mask", scene / mask, "--map", scene / mesh, "--camera", scene / "camera.yaml", "--init", init(), "--json"
    )


def off(pose: list[float], truth: SE3) -> tuple[float, float]:
    found, expected = parse_pose(" ".join(map(repr, pose))), truth.inverse()
    moved = np.linalg.norm(found.translation - expected.translation) / DISTANCE
    return float(np.degrees(rotation_angle(found, expected))), float(moved)


def test_a_mask_behind_a_lens_and_a_mesh_without_colours(scene: Path, tmp_path: Path) -> None:
    result = one(scene, "bare.obj", "left.png", "--overlay", tmp_path / "fit.png")
    found: Any = json.loads(result.stdout)
    turned, moved = off(found["world_from_camera"], TRUTH)
    assert (result.exit_code, found["verdict"], found["outcome"]) == (0, "TRACKED", "CONVERGED")
    assert found["iou"] > 0.99
    assert turned < LUMP_DEG
    assert moved < LUMP_SHARE
    assert (np.linalg.eigvalsh(np.array(found["covariance"])) > 0).all()
    picture = cv2.imread(str(tmp_path / "fit.png"))
    assert picture.shape[1] > 3 * LENS.width
    assert picture.std() > 10


def test_an_image_beside_the_mask_says_what_the_outline_cannot(scene: Path) -> None:
    alone = json.loads(one(scene, "painted.obj", "left.png").stdout)
    both = json.loads(one(scene, "painted.obj", "left.png", scene / "left_picture.png").stdout)
    assert both["verdict"] == "TRACKED"
    assert both["image"].endswith("left_picture.png")
    turned, moved = off(both["world_from_camera"], TRUTH)
    assert turned < LUMP_DEG
    assert moved < LUMP_SHARE
    assert np.trace(both["covariance"]) < np.trace(alone["covariance"])
    with pytest.raises(MeshError, match="no colour"):
        one(scene, "bare.obj", "left.png", scene / "left_picture.png")


def test_two_cameras_find_pose_and_size(scene: Path) -> None:
    masks = ["--rig", scene / "rig.yaml", "--mask", f"left={scene / 'left.png'}", "--mask", f"right={scene / 'right.png'}"]
    small = lump()
    mesh = TexturedMesh(0.93 * small.vertices, small.faces, small.uv, small.material, (), small.vertex_colors)
    written(scene / "small.obj", mesh, color=False)
    found = json.loads(align(*masks, "--map", scene / "small.obj", "--init", init(), "--refine-scale", "--json").stdout)
    assert found["scale"] == pytest.approx(1 / 0.93, abs=3 * LUMP_SHARE)
    assert set(found["iou"]) == {"left", "right"}
    assert off(found["world_from_rig"], TRUTH)[1] < 2 * LUMP_SHARE
    text = align(*masks, "--map", scene / "bare.obj", "--init", init()).stdout.splitlines()
    assert text[0] == "TRACKED"
    assert text[1].startswith("world_from_rig ")
    assert "left 0.99" in text[3]


def test_who_clicks_says_where_the_first_of_the_masks_was_seen(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def click(raw: RawFrame, *_: object) -> SE3:
        assert raw.name == "right.png"
        return (SECOND_FROM_FIRST @ GUESS).inverse()

    monkeypatch.setattr("reloc.commands.clicking.clicked_pose", click)
    rig = ["--rig", scene / "rig.yaml", "--mask", f"right={scene / 'right.png'}"]
    found = json.loads(align(*rig, "--map", scene / "bare.obj", "--init", "click", "--json").stdout)
    assert found["iou"]["right"] > 0.99
    # The rig's frame is 5 m from the only camera that saw anything; one pose taken for the other would be off by the distance.
    assert off(found["world_from_rig"], TRUTH)[1] < 5 * LUMP_SHARE


def test_a_mask_of_something_else_is_lost(scene: Path) -> None:
    thick = cv2.dilate(cv2.imread(str(scene / "elsewhere.png"), 0), np.ones((9, 9), np.uint8))
    cv2.imwrite(str(scene / "stroke.png"), thick)
    result = one(scene, "bare.obj", "stroke.png")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["verdict"] == "LOST"
    assert "overlap" in found["reason"]


def test_a_mask_of_zeros_and_ones_is_a_mask(scene: Path) -> None:
    cv2.imwrite(str(scene / "labels.png"), cv2.imread(str(scene / "left.png"), 0) // 255)
    assert json.loads(one(scene, "bare.obj", "labels.png").stdout)["iou"] > 0.99


def test_what_does_not_go_together_is_said(scene: Path) -> None:
    mask, rig = scene / "left.png", scene / "rig.yaml"
    with pytest.raises(SourceError, match=r"covers nothing.*black\.png"):
        one(scene, "bare.obj", "black.png")
    for arguments, message in (
        (["--init", init()], "nothing to align"),
        ([mask, "--init", init(), "--rig", rig], "work on outlines"),
        (["--mask", mask, "--init", init(), "--refine-scale"], "one view cannot tell"),
        (["--mask", mask, "--mask", mask, "--init", init()], "need --rig"),
        (["--mask", mask, "--init", init(), "--rig", rig], "NAME=IMAGE with one of left, right"),
        ([mask, "--mask", f"left={mask}", "--init", init(), "--rig", rig], "without --rig"),
        (["--mask", f"left={mask}", "--init", init(), "--rig", rig, "--animate", "way.gif"], "show one camera"),
    ):
        with pytest.raises(ConfigError, match=message):
            align(*arguments, "--map", scene / "bare.obj")


def film_frames(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


DESCENT = [
    "--set",
    "align.solver=adam",
    "--set",
    "adam.width_px=120",
    "--set",
    "adam.learning_rate=2e-3",
    "--set",
    "adam.steps=40",
]


def test_first_order_descent_aligns_a_mask_and_is_shown(scene: Path, tmp_path: Path) -> None:
    film, stages = tmp_path / "way.gif", tmp_path / "stages.png"
    result = one(scene, "bare.obj", "left.png", *DESCENT, "--animate", film, "--stages", stages)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["verdict"]) == (0, "TRACKED")
    assert found["iterations"] <= 40
    assert found["iou"] > 0.95
    assert len(film_frames(film)) > 20
    start, end, target = (cv2.imread(str(stages))[24:, x : x + 480].astype(float) for x in (0, 488, 976))
    # The outline at the end lies nearer to that of the target.
    assert np.abs(end - target).mean() < np.abs(start - target).mean()


def test_first_order_descent_takes_image_and_mask_together(scene: Path) -> None:
    larger = [*DESCENT, "--set", "adam.width_px=240", "--set", "adam.steps=80"]
    alone = json.loads(one(scene, "painted.obj", "left.png", *larger).stdout)
    both = json.loads(one(scene, "painted.obj", "left.png", scene / "left_picture.png", *larger).stdout)
    assert both["iterations"] > alone["iterations"]
    assert off(both["world_from_camera"], TRUTH)[0] < off(alone["world_from_camera"], TRUTH)[0]
    assert np.trace(both["covariance"]) < np.trace(alone["covariance"])


def test_the_way_of_the_solver_of_the_house_is_shown_too(scene: Path, tmp_path: Path) -> None:
    one(scene, "painted.obj", "left.png", scene / "left_picture.png", "--animate", tmp_path / "way.mp4")
    frames = film_frames(tmp_path / "way.mp4")
    assert len(frames) > 18 + 3
    assert np.abs(frames[0].astype(float) - frames[-1]).mean() > 1
