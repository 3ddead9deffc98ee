"""A batch on a cluster of real Ray processes, of which one machine dies midway."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reloc.batch.jobs import Job, make_tasks
from reloc.batch.plan import Plan, Sequence
from reloc.batch.ray_cluster import run_on_ray
from reloc.batch.run import Tally, run_tasks

ray_utils = pytest.importorskip("ray.cluster_utils", reason="ray is not installed: pip install reloc[batch]")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def cluster() -> Iterator[Any]:
    made = ray_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


def test_when_a_machine_dies_nothing_is_lost_and_nothing_is_there_twice(
    made_recording: Path, tmp_path: Path, cluster: Any
) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    (tmp_path / "recordings").mkdir()
    for number in range(6):
        (tmp_path / "recordings" / f"walk{number}").symlink_to(made_recording, target_is_directory=True)
    out = tmp_path / "out"
    tasks = make_tasks(Plan((Sequence("recordings/*", init="groundtruth"),)), tmp_path, out)
    killed = threading.Event()

    def kill_one_when_two_are_done(at_work: Any) -> None:
        # One node each: while two are at work, either node's death cuts one short.
        if not killed.is_set() and len(list(out.glob("walk*/job.json"))) >= 2 and len(list(out.glob(".walk*"))) == 2:
            killed.set()
            cluster.remove_node(nodes[1], allow_graceful=False)

    ended: list[str] = []

    def runner(jobs: Any) -> Iterator[Any]:
        for outcome in run_on_ray(jobs, cluster.address, None, lambda: False, kill_one_when_two_are_done):
            ended.append(outcome.name)
            yield outcome

    endings = run_tasks(tasks, runner, Tally())
    assert killed.is_set()
    assert sorted(ended) == [f"walk{number}" for number in range(6)]
    assert all(ending.outcome is not None and ending.outcome.exit_code == 0 for ending in endings)
    assert sorted(path.name for path in out.iterdir()) == [f"walk{number}" for number in range(6)]
    for number in range(6):
        assert json.loads((out / f"walk{number}" / "summary.json").read_text())["frames"] == 8


def test_stopping_ends_what_runs_and_leaves_nothing(made_recording: Path, tmp_path: Path, cluster: Any) -> None:
    cluster.add_node(num_cpus=1)
    begun = time.monotonic()
    job = Job("room", tmp_path / "out" / "room", tmp_path, (str(made_recording), "--init", str(made_recording)), "abc", 8)

    def soon() -> bool:
        assert time.monotonic() - begun < 120
        return any((tmp_path / "out").glob(".room.*/log.txt"))

    assert list(run_on_ray([job], cluster.address, 1, soon, lambda at_work: None)) == []
    assert list((tmp_path / "out").iterdir()) == []
