"""A person watching: the served page in a real browser shows the map, the camera's picture, the verdict and the plots."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.estimate import Verdict
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.sinks.pictures import VERDICT_COLORS
from reloc.sinks.rerun_viewer import RerunSink
from tests.integration.chromium import Chromium
from tests.unit.sinks.estimates import INFO
from tests.unit.sinks.rerun_viewer.session import CAMERA, FlatRenderer, seen

WIDTH, HEIGHT = 1280, 800
PATIENCE_S = 240.0
MAP_COLOR = (200, 30, 200)
INLIER_COLOR = (70, 130, 230)
WALL = TexturedMesh(
    vertices=np.array([[-2, -1.5, 3], [2, -1.5, 3], [2, 1.5, 3], [-2, 1.5, 3]], np.float32),
    faces=np.array([[0, 2, 1], [0, 3, 2]], np.int32),
    uv=np.zeros((2, 3, 2), np.float32),
    material=np.zeros(2, np.int16),
    textures=(np.full((16, 16, 3), MAP_COLOR, np.uint8),),
)


@pytest.fixture
def viewer() -> Iterator[RerunSink]:
    served = RerunSink(WALL, FlatRenderer(), mode="serve", web_port=0, grpc_port=0)
    served.open(replace(INFO, live=True), CAMERA)
    yield served
    served.close()


def shows(image: np.ndarray, color: tuple[int, int, int], x: tuple[float, float], y: tuple[float, float], share: float) -> bool:
    """Return whether a colour, about, takes at least a share of the part of the page from x[0]·width to x[1]·width and so on."""
    height, width = image.shape[:2]
    part = image[int(y[0] * height) : int(y[1] * height), int(x[0] * width) : int(x[1] * width)].astype(int)
    return float((np.abs(part - color).max(axis=2) <= 40).mean()) >= share


def seen_on(page: np.ndarray) -> dict[str, bool]:
    """Return what a person finds on the page."""
    return {
        "the map": shows(page, MAP_COLOR, (0.0, 0.68), (0.05, 0.63), 0.05),
        "the camera in the colour of the verdict": shows(page, VERDICT_COLORS[Verdict.LOST], (0.0, 0.68), (0.05, 0.63), 5e-4),
        "the picture with its badge": shows(page, VERDICT_COLORS[Verdict.LOST], (0.69, 1.0), (0.08, 0.4), 2e-3),
        "the plot of trust": shows(page, INLIER_COLOR, (0.0, 0.23), (0.76, 0.95), 5e-4),
    }


@pytest.mark.slow
def test_the_page_shows_map_camera_picture_and_plots(viewer: RerunSink, tmp_path: Path) -> None:
    with Chromium(tmp_path / "profile", WIDTH, HEIGHT) as browser:
        browser.open(viewer.url)
        deadline = time.monotonic() + PATIENCE_S
        found, page = {"anything": False}, np.empty(0)
        for index in count():
            verdict = Verdict.LOST if index > 1 else Verdict.TRACKED
            viewer.write(seen(index, verdict, reason="covered", world_from_camera=SE3.exp([0.02 * index, 0, 0, 0, 0, 0])))
            page = browser.screenshot()
            found = seen_on(page)
            if all(found.values()) or time.monotonic() > deadline:
                break
        cv2.imwrite(str(tmp_path / "page.png"), cv2.cvtColor(page, cv2.COLOR_RGB2BGR))
    assert found == dict.fromkeys(found, True), f"see {tmp_path / 'page.png'}"
