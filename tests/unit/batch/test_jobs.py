from __future__ import annotations

import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.batch.jobs import Task, _pieces, make_tasks
from reloc.batch.plan import Chunks, Configuration, Defaults, Plan, Sequence
from reloc.errors import ConfigError
from tests.unit.sources.datasets import made
from tests.unit.sources.made import picture, write_image


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two walks of 4 images, and one of the same name elsewhere."""
    for name in ("a/walk", "a/run", "b/walk"):
        for number in range(4):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            write_image(tmp_path / name / f"{number}.png", picture(number))
    (tmp_path / "map.obj").write_text("v 0 0 0\n")
    return tmp_path


def _tasks(place: Path, plan: Plan) -> list[Task]:
    return make_tasks(plan, place, place / "out")


def test_every_sequence_meets_every_configuration(place: Path) -> None:
    plan = Plan(
        (Sequence("a/walk", name="first"), Sequence("a/run", map="other.obj", every=2)),
        (Configuration("plain"), Configuration("few steps", set=("align.iterations=3",))),
        Defaults(map="map.obj", init="0 0 0 0 0 0 1"),
    )
    tasks = _tasks(place, plan)
    assert [task.name for task in tasks] == ["first-plain", "first-few_steps", "run-plain", "run-few_steps"]
    assert [task.jobs[0].frames for task in tasks] == [4, 4, 2, 2]
    pose = ("--init", "0 0 0 0 0 0 1")
    assert tasks[1].jobs[0].arguments == (str(place / "a/walk"), "--map", "map.obj", *pose, "--set", "align.iterations=3")
    assert tasks[2].jobs[0].arguments == (str(place / "a/run"), "--map", "other.obj", *pose, "--every", "2")
    assert tasks[0].jobs[0].out == place / "out" / "first-plain"
    assert len({task.jobs[0].digest for task in tasks}) == 4


def test_a_pattern_of_recordings_is_all_of_them_and_one_of_images_is_one(place: Path) -> None:
    assert [task.name for task in _tasks(place, Plan((Sequence("a/*"),)))] == ["run", "walk"]
    assert [task.jobs[0].arguments for task in _tasks(place, Plan((Sequence("a/walk/*.png"),)))] == [
        (str(place / "a/walk/*.png"),)
    ]
    with pytest.raises(ConfigError, match="matches nothing"):
        _tasks(place, Plan((Sequence("c/*"),)))
    with pytest.raises(ConfigError, match="cannot share a name"):
        _tasks(place, Plan((Sequence("a/*", name="x"),)))


def test_names_tell_apart_what_is_called_the_same(place: Path) -> None:
    assert [task.name for task in _tasks(place, Plan((Sequence("*/walk"),)))] == ["a-walk", "b-walk"]
    with pytest.raises(ConfigError, match="two sequences are named walk"):
        _tasks(place, Plan((Sequence("a/walk"), Sequence("b/walk", name="walk"), Sequence("a/run", name="walk"))))
    with pytest.raises(ConfigError, match="two sequences are named a-walk"):
        _tasks(place, Plan((Sequence("a/walk"), Sequence("a/walk"))))
    with pytest.raises(ConfigError, match="two configurations are named x"):
        _tasks(place, Plan((Sequence("a/walk"),), (Configuration("x"), Configuration("x"))))


def test_settings_that_cannot_be_used_are_refused_before_the_first_job(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean `align\.iterations`"):
        _tasks(place, Plan((Sequence("a/walk"),), (Configuration("x", set=("align.iteration=3",)),)))


def test_what_cannot_be_opened_is_a_job_all_the_same(place: Path) -> None:
    (task,) = _tasks(place, Plan((Sequence("nowhere"),)))
    assert (task.jobs[0].frames, task.groundtruth) == (None, None)


def test_a_recordings_own_ground_truth_is_found_by_its_name(place: Path) -> None:
    made.euroc(place / "MH_01")
    plan = Plan((Sequence("MH_01", init="groundtruth"), Sequence("euroc:MH_01", name="again", init="groundtruth")))
    one, other = _tasks(place, plan)
    assert one.jobs[0].arguments == (str(place / "MH_01"), "--init", str(place / "MH_01"))
    assert (other.groundtruth, other.jobs[0].arguments[2]) == (f"euroc:{place / 'MH_01'}",) * 2


def test_the_digest_changes_with_all_that_results_depend_on(place: Path) -> None:
    plain = Plan((Sequence("a/walk", map="map.obj"),))
    (before,) = _tasks(place, plain)
    assert _tasks(place, plain)[0].jobs[0].digest == before.jobs[0].digest
    others = [
        replace(plain, sequences=(Sequence("a/walk", map="map.obj", every=2),)),
        replace(plain, configurations=(Configuration("", set=("align.iterations=3",)),)),
    ]
    digests = {before.jobs[0].digest, *(_tasks(place, other)[0].jobs[0].digest for other in others)}
    (place / "settings.yaml").write_text("align: {iterations: 4}\n")
    from_file = replace(plain, configurations=(Configuration("", config="settings.yaml"),))
    digests.add(_tasks(place, from_file)[0].jobs[0].digest)
    (place / "settings.yaml").write_text("align: {iterations: 5}\n")
    digests.add(_tasks(place, from_file)[0].jobs[0].digest)
    os.utime(place / "map.obj", ns=(1, 1))
    digests.add(_tasks(place, plain)[0].jobs[0].digest)
    (place / "a" / "walk" / "timestamps.txt").write_text("0 0.png\n1 1.png\n")
    digests.add(_tasks(place, plain)[0].jobs[0].digest)
    assert len(digests) == 7


def test_an_image_that_was_replaced_in_place_is_noticed_and_so_is_a_texture(place: Path) -> None:
    (place / "room").mkdir()
    for name in ("room.obj", "room.mtl", "wall.png", "notes.txt"):
        (place / "room" / name).write_bytes(b"some")
    plan = Plan((Sequence("a/walk", map="room/room.obj"),))
    digests = [_tasks(place, plan)[0].jobs[0].digest]
    write_image(place / "a" / "walk" / "2.png", picture(7))
    digests.append(_tasks(place, plan)[0].jobs[0].digest)
    write_image(place / "a" / "walk" / "4.png", picture(4))
    digests.append(_tasks(place, plan)[0].jobs[0].digest)
    os.utime(place / "room" / "wall.png", ns=(1, 1))
    digests.append(_tasks(place, plan)[0].jobs[0].digest)
    assert len(set(digests)) == 4
    # What it does not depend on.
    (place / "room" / "notes.txt").write_bytes(b"others")
    write_image(place / "a" / "run" / "2.png", picture(7))
    (place / "a" / "walk" / "out").mkdir()
    assert _tasks(place, plan)[0].jobs[0].digest == digests[-1]


@pytest.mark.parametrize("name", ["camera.yaml", "groundtruth.txt", "map/mesh.obj", "timestamps.txt"])
def test_what_a_recording_brings_along_counts(made_recording: Path, tmp_path: Path, name: str) -> None:
    recording = shutil.copytree(made_recording, tmp_path / "walk")
    plan = Plan((Sequence("walk", init="groundtruth"),))
    (before,) = _tasks(tmp_path, plan)
    os.utime(recording / name, ns=(1, 1))
    assert _tasks(tmp_path, plan)[0].jobs[0].digest != before.jobs[0].digest


@given(
    length=st.integers(1, 3000),
    frames=st.integers(2, 700),
    overlap=st.integers(1, 60),
    every=st.sampled_from([None, 1, 2, 5]),
)
def test_pieces_cover_every_frame_and_overlap_as_asked(length: int, frames: int, overlap: int, every: int | None) -> None:
    overlap = min(overlap, frames - 1)
    pieces = _pieces(Plan((Sequence("x"),), chunks=Chunks(frames, overlap)), Sequence("x", every=every), length)
    whole = [(0, length) if piece is None else piece for piece in pieces]
    assert (whole[0][0], whole[-1][1]) == (0, length)
    step = every or 1
    for (_, end), (first, _) in pairwise(whole):
        assert end - first == overlap * step
        assert first % step == end % step == 0
    # None is longer than one and a half pieces, nor shorter than half a one.
    assert all(end - first <= (1.5 * frames + overlap) * step + step for first, end in whole)


def test_one_pose_is_not_enough_for_several_pieces(place: Path) -> None:
    with pytest.raises(ConfigError, match="cut into 2 pieces, and one pose says nothing"):
        _tasks(place, Plan((Sequence("a/walk", init="0 0 0 0 0 0 1"),), chunks=Chunks(2, 1)))
    with pytest.raises(ConfigError, match="cannot overlap by 2"):
        _tasks(place, Plan((Sequence("a/walk"),), chunks=Chunks(2, 2)))
    (task,) = _tasks(place, Plan((Sequence("a/walk"),), chunks=Chunks(2, 1)))
    assert [job.arguments[1:] for job in task.jobs] == [("--frames", "0:2"), ("--frames", "1:4")]
    assert [job.out for job in task.jobs] == [place / "out" / "walk.pieces" / number for number in ("0000", "0001")]
