from __future__ import annotations

import pytest

from reloc.sources.realsense.library import unusable


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ModuleNotFoundError("No module named 'pyrealsense2'"), "pip install pyrealsense2"),
        (ImportError("libusb-1.0.so.0: cannot open shared object file"), "apt install libusb-1.0-0"),
        (ImportError("libstdc++.so.6: version not found"), "lacks a library"),
    ],
)
def test_it_says_what_to_install(error: ImportError, advice: str) -> None:
    assert advice in unusable(error)
