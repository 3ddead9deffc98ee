"""What the tests share: the real recordings beside the project, where there are any."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every run, and no clock: a busy machine must not fail a test of the code.
settings.register_profile("reloc", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("reloc")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it is asked for."""
    if os.environ.get("RELOC_SLOW") != "1":
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; RELOC_SLOW=1 runs it"))


def _recording(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"the recording {name} is not at {folder}")
    return folder


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """The commands send the library's log to stderr; tests want to see it as it was, whatever fixtures have run commands."""
    logger = logging.getLogger("reloc")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
    yield
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def kitchen() -> Path:
    return _recording("kitchen")


@pytest.fixture(scope="session")
def castle() -> Path:
    return _recording("castle")


@pytest.fixture(scope="session")
def blackdog() -> Path:
    return _recording("blackdog")


@pytest.fixture(scope="session")
def made_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of the made-up room: eight frames of 320 × 240 pixels with map, calibration and ground truth."""
    from reloc.synthetic.recording import make_recording

    return make_recording(tmp_path_factory.mktemp("recordings") / "room", frames=8, size=(320, 240))
