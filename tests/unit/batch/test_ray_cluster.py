from __future__ import annotations

import sys

import pytest

from reloc.batch.ray_cluster import run_on_ray
from reloc.errors import ConfigError


def _run(address: str) -> None:
    list(run_on_ray([], address, None, lambda: True, lambda at_work: None))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_where_there_is_no_cluster_that_is_said_at_once(address: str) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install reloc[batch]")
    with pytest.raises(ConfigError, match=f"there is no Ray cluster at {address}: "):
        _run(address)


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install \"reloc\[batch\]\""):
        _run("127.0.0.1:6379")
