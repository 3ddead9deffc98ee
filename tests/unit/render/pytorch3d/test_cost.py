from __future__ import annotations

import pytest

from reloc.geometry.camera import PinholeCamera
from reloc.render.pytorch3d.cost import seconds_a_picture

CAMERA = PinholeCamera(160, 96, 120.0, 121.0, 79.1, 48.3)


def test_how_long_a_picture_takes_is_foretold_from_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    # A constant and a share for each pixel; what the first picture loads is not counted.
    seconds = iter([0.0, 9.0, 10.0, 10.5 + 60e-3, 20.0, 20.5 + 26 * 16e-3])
    drawn: list[PinholeCamera] = []
    monkeypatch.setattr("reloc.render.pytorch3d.cost.time.perf_counter", lambda: next(seconds))
    found = seconds_a_picture(drawn.append, CAMERA)
    assert [(one.width, one.height) for one in drawn] == [(10, 6), (10, 6), (26, 16)]
    assert found == pytest.approx(0.5 + 160 * 96e-3)
