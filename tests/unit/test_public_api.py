from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import reloc

HEAVY = ("torch", "rerun", "cv2", "numba", "pydantic", "matplotlib", "scipy", "numpy", "yaml", "typer", "rich", "av", "trimesh")


def test_importing_reloc_loads_nothing_heavy() -> None:
    program = f"import reloc, sys; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", reloc.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(reloc, name) is not None
    assert name in dir(reloc)


def test_names_are_the_things_they_name() -> None:
    assert reloc.SE3 is import_module("reloc.geometry.se3").SE3
    assert reloc.evaluate_trajectory is import_module("reloc.evaluate.summary").evaluate
    assert reloc.run is import_module("reloc.node").run


def test_other_names_are_an_error_that_names_them() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        reloc.nonsense  # noqa: B018


def test_the_library_is_silent_where_nobody_asked_it_to_log() -> None:
    program = "import reloc, logging; logging.getLogger('reloc.mesh').warning('loud')"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout + found.stderr == ""
