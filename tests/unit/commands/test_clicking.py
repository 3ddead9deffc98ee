from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from typer.testing import CliRunner

from reloc.cli import make_app
from reloc.commands import clicking
from reloc.errors import ConfigError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.trajectory import load_tum
from reloc.mesh.load import load_mesh
from tests.oracles.ray_caster import RayCaster

PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


class Person:
    """Reads where the page is, clicks four corners a pixel off, and accepts."""

    def __init__(self, room: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._room, self._capture, self._heard = room, capture, ""
        self.page = b""

    def act(self) -> None:
        url = self._address()
        self.page = urlopen(url, timeout=PATIENCE_S).read()
        self._post(url + "solve", {"pairs": self._pairs()})
        self._post(url + "accept", {})

    def _address(self) -> str:
        waiting = threading.Event()
        for _ in range(int(PATIENCE_S / 0.1)):
            self._heard += self._capture.readouterr().err
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S+/", self._heard):
                return found.group()
            waiting.wait(0.1)
        raise TimeoutError("the page was not announced")

    def _pairs(self) -> list[list[float]]:
        lens = load_calibration(self._room / "camera.yaml")
        camera: PinholeCamera = lens.pinhole
        truth = load_tum(self._room / "groundtruth.txt").pose(0).inverse()
        mesh = load_mesh(self._room / "map" / "mesh.obj")
        seen = RayCaster(mesh.vertices, mesh.faces, truth).view(camera)
        pixels = np.array([[50, 40], [270, 60], [60, 200], [250, 190]])
        points = truth.inverse().apply(camera.unproject(pixels.astype(float)) * seen.depth[pixels[:, 1], pixels[:, 0]][:, None])
        return np.hstack([pixels + np.random.default_rng(0).normal(0, 1.0, (4, 2)), points]).tolist()

    @staticmethod
    def _post(url: str, content: object) -> None:
        urlopen(url, json.dumps(content).encode(), timeout=PATIENCE_S).read()


def test_a_run_begins_where_a_person_has_clicked(
    made_recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    person = Person(made_recording, capsys)
    acting = threading.Thread(target=person.act)
    acting.start()
    with pytest.raises(SystemExit) as ended:
        make_app("track")(["track", str(made_recording), "--init", "click", "--every", "4", "--out", str(tmp_path / "out")])
    acting.join(PATIENCE_S)
    assert ended.value.code == 0
    assert b"Where was this image taken?" in person.page
    found, truth = load_tum(tmp_path / "out" / "trajectory.txt"), load_tum(made_recording / "groundtruth.txt")
    assert np.linalg.norm(found.pose(0).translation - truth.pose(0).translation) < 0.02


def test_a_live_camera_does_not_wait_for_clicks(made_recording: Path, tmp_path: Path) -> None:
    arguments = ["live", "--camera", str(made_recording), "--init", "click", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(make_app("live"), arguments)
    assert isinstance(result.exception, ConfigError)
    assert "would move on meanwhile" in str(result.exception)


def test_without_an_index_there_are_views_to_begin_at() -> None:
    from tests.scenes import room
    from tests.unit.places.known_room import mesh

    assert 4 <= len(clicking._views(mesh(), room())) <= 24
