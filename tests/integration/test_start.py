"""What a run loads: packages that it does not use cost seconds at the start, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

# Heavy packages that belong to viewers, cameras and containers: none of them has a part in tracking a folder of images.
UNUSED = {"torch", "rerun", "pyrealsense2", "av", "trimesh", "rosbags", "mcap", "ray", "kornia", "cyclonedds", "matplotlib"}
# Nor has what reads the frames of runs.
UNUSED |= {"msgspec"}

# Runs the command line and prints, below what it prints itself, which packages it has loaded.
PROGRAM = """
import json, sys
from reloc.cli import main
try:
    main()
except SystemExit as exit:
    code = exit.code or 0
print(json.dumps({"code": code, "packages": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def _packages_of(*arguments: str, cache: Path) -> set[str]:
    """Return the top-level packages that a command has loaded when it ends."""
    environment = {**os.environ, "RELOC_CACHE": str(cache), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["code"] == 0, done.stderr
    return set(said["packages"])


def test_tracking_without_a_viewer_loads_nothing_that_it_does_not_use(made_recording: Path, tmp_path: Path) -> None:
    init = str(made_recording / "groundtruth.txt")
    loaded = _packages_of(
        "track", str(made_recording), "--init", init, "--out", str(tmp_path / "out"), "--viewer", "none", cache=tmp_path
    )
    assert {"reloc", "cv2", "numba"} <= loaded
    assert UNUSED & loaded == set()


def test_aligning_one_image_loads_no_filter_either(made_recording: Path, tmp_path: Path) -> None:
    image = str(made_recording / "images" / "000000.jpg")
    files = ["--map", str(made_recording / "map" / "mesh.obj"), "--camera", str(made_recording / "camera.yaml")]
    loaded = _packages_of("align", image, *files, "--init", str(made_recording / "groundtruth.txt"), cache=tmp_path)
    assert {"reloc", "cv2", "numba"} <= loaded
    assert (UNUSED | {"filterpy"}) & loaded == set()


@pytest.mark.parametrize("module", ["reloc", "reloc.cli"])
def test_the_package_itself_is_light(module: str, tmp_path: Path) -> None:
    code = f"import {module}, sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    heavy = UNUSED | {"numpy", "cv2", "numba", "scipy", "filterpy", "pydantic"}
    assert heavy & set(done.stdout.split()) == set()
