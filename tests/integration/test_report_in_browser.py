"""A person reading: the report in a real browser, without a network, shows the map, the plots and the pictures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from reloc.estimate import Verdict
from reloc.sinks.pictures import VERDICT_COLORS
from tests.integration.chromium import Chromium
from tests.unit.commands.test_report import APP, _run

HEIGHT = 3000
PAGE_DARK = (20, 23, 27)
RUN_DARK = (75, 163, 227)
# Shares of the page: its legends alone have at most 2.7e-4 and 1.1e-3, all that is drawn 1.1e-3 and 2.3e-3 or more (measured).
DRAWN, BAND_DRAWN = 6e-4, 1.6e-3


def share(image: np.ndarray, color: tuple[int, int, int], tolerance: int = 12) -> float:
    return float((np.abs(image.astype(int) - color).max(axis=2) <= tolerance).mean())


def is_drawn(image: np.ndarray) -> bool:
    return share(image, RUN_DARK) > DRAWN and share(image, VERDICT_COLORS[Verdict.TRACKED]) > BAND_DRAWN


@pytest.mark.parametrize("width", [1200, 420])
def test_the_page_is_there_for_the_eye(tmp_path: Path, made_recording: Path, width: int) -> None:
    run = _run(tmp_path / "run", made_recording)
    result = CliRunner().invoke(APP, [str(run), "-o", str(tmp_path / "page.html"), "--worst", "1"], catch_exceptions=False)
    assert result.exit_code == 0
    with Chromium(tmp_path / "profile", width, HEIGHT) as browser:
        browser.open((tmp_path / "page.html").as_uri())
        deadline = time.monotonic() + 60
        image = browser.screenshot()
        while not is_drawn(image) and time.monotonic() < deadline:
            image = browser.screenshot()
    assert share(image, PAGE_DARK) > 0.3
    assert is_drawn(image)
    # The map and the pictures: colours that are neither the page's, nor a run's, nor those of text, of which there are tens.
    pixels = image.reshape(-1, 3)
    colorful = pixels[np.ptp(pixels.astype(int), axis=1) > 60]
    assert len(np.unique(colorful // 8, axis=0)) > 400
