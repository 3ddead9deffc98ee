from __future__ import annotations

import errno
import json
import logging
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from reloc.errors import OutputError, SourceError
from reloc.estimate import Verdict
from reloc.frame import RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import load_tum
from reloc.sinks.recorder import Recorder, RecorderSink, RecordFormat
from reloc.sinks.sink import FanOut, Sink
from reloc.sources.open import open_source
from reloc.sources.source import SourceInfo
from tests.tolerances import TUM_DECIMALS
from tests.unit.sinks.estimates import CAMERA, INFO, LENS, estimate
from tests.unit.sources.made import picture

LIVE = SourceInfo("webcam", live=True, length=None, camera=LENS, clock="host")
# Years of nanoseconds, a hair's breadth, many in one millisecond, a pause of hours.
TIMES_NS = [
    1_762_000_000_123_456_789 + extra for extra in (0, 1, 999_999, 1_000_000, 33_333_333, 33_333_334, 10**13, 10**13 + 500_001)
]
EXACT = [RecordFormat.PNG, RecordFormat.FFV1]


def _noise(seed: int, kind: str, height: int = 31, width: int = 45) -> np.ndarray:
    shape = (height, width, 3) if kind.startswith("rgb") else (height, width)
    dtype = np.uint16 if kind.endswith("16") else np.uint8
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def _record(folder: Path, frames: list[RawFrame], form: RecordFormat, **options: Any) -> Recorder:
    recorder = Recorder(folder, form=form, reserve_bytes=0, **options)
    recorder.open(INFO, LENS)
    for frame in frames:
        assert recorder.put(frame)
    recorder.close()
    return recorder


@pytest.mark.parametrize("kind", ["rgb8", "rgb16", "grey8", "grey16"])
@pytest.mark.parametrize("form", EXACT)
def test_what_is_replayed_equals_what_was_recorded_bit_by_bit(tmp_path: Path, form: RecordFormat, kind: str) -> None:
    frames = [RawFrame(i, time_ns, _noise(i, kind)) for i, time_ns in enumerate(TIMES_NS)]
    recorder = _record(tmp_path / "r", frames, form)
    source = open_source(str(tmp_path / "r"))
    replayed = list(source)
    assert form.is_exact
    assert (recorder.written, recorder.dropped, recorder.failure) == (len(frames), 0, None)
    assert source.info.length == len(frames)
    assert source.info.camera == LENS
    assert [frame.timestamp_ns for frame in replayed] == TIMES_NS
    assert [frame.index for frame in replayed] == list(range(len(frames)))
    for frame, made in zip(replayed, frames, strict=True):
        assert frame.image.dtype == made.image.dtype
        np.testing.assert_array_equal(frame.image, made.image)


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
@pytest.mark.parametrize("form", [RecordFormat.JPG, RecordFormat.H264])
def test_what_is_not_exact_keeps_times_and_nearly_colours(tmp_path: Path, form: RecordFormat, size: tuple[int, int]) -> None:
    frames = [RawFrame(i, time_ns, picture(i, *size)) for i, time_ns in enumerate(TIMES_NS)]
    _record(tmp_path / "r", frames, form)
    replayed = list(open_source(str(tmp_path / "r")))
    assert not form.is_exact
    assert [frame.timestamp_ns for frame in replayed] == TIMES_NS
    # Red for blue would cost more than 30.
    assert max(np.abs(a.image.astype(int) - b.image).mean() for a, b in zip(replayed, frames, strict=True)) < 10


@pytest.mark.parametrize("form", [RecordFormat.JPG, RecordFormat.H264])
def test_sixteen_bits_where_eight_are_held_stop_the_recording_with_advice(tmp_path: Path, form: RecordFormat) -> None:
    recorder = _record(tmp_path / "r", [RawFrame(0, 0, _noise(0, "grey16"))], form)
    assert "choose png or ffv1" in str(recorder.failure)


@pytest.mark.parametrize("form", EXACT)
def test_images_that_change_their_size_are_recorded_all_the_same(tmp_path: Path, form: RecordFormat) -> None:
    images = [_noise(0, "rgb8"), _noise(1, "rgb8"), _noise(2, "rgb8", 20, 30), _noise(3, "grey8", 20, 30), _noise(4, "rgb8")]
    _record(tmp_path / "r", [RawFrame(i, i * 10**8, image) for i, image in enumerate(images)], form)
    replayed = list(open_source(str(tmp_path / "r")))
    assert [frame.index for frame in replayed] == [0, 1, 2, 3, 4]
    for frame, image in zip(replayed, images, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_a_new_video_begins_after_ten_minutes(tmp_path: Path) -> None:
    times_ns = [0, 599 * 10**9, 600 * 10**9, 1199 * 10**9, 1201 * 10**9]
    frames = [RawFrame(i, time_ns, _noise(i, "rgb8")) for i, time_ns in enumerate(times_ns)]
    _record(tmp_path / "r", frames, RecordFormat.FFV1)
    assert sorted(path.name for path in (tmp_path / "r" / "video").iterdir()) == ["000000.mkv", "000001.mkv", "000002.mkv"]
    assert [frame.timestamp_ns for frame in open_source(str(tmp_path / "r"))] == times_ns


def test_times_that_do_not_increase_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(tmp_path / "r", reserve_bytes=0)
    recorder.open(INFO, None)
    taken = [recorder.put(RawFrame(i, time_ns, _noise(i, "grey8"))) for i, time_ns in enumerate([5, 7, 7, 6, 8])]
    recorder.close()
    assert taken == [True, True, False, False, True]
    assert recorder.dropped == 2
    assert [frame.timestamp_ns for frame in open_source(str(tmp_path / "r"))] == [5, 7, 8]
    assert "2 of 5 frames were left out" in caplog.text


class Blocked:
    """Frame files on a disk that takes its time."""

    def __init__(self, *_: object) -> None:
        self.begun, self.allowed = Event(), Event()

    def write(self, raw: RawFrame) -> list[str]:
        self.begun.set()
        assert self.allowed.wait(30)
        return [f"{raw.timestamp_ns}.0 x.png"]

    def close(self) -> list[str]:
        return []


def _with(files: Any, folder: Path, **options: Any) -> Recorder:
    return Recorder(folder, make_files=lambda form, folder: files, **{"reserve_bytes": 0, **options})


def test_a_slow_disk_makes_a_live_camera_lose_frames_but_never_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked, image = Blocked(), _noise(0, "grey8")
    recorder = _with(blocked, tmp_path / "r", queue_bytes=3 * image.nbytes)
    recorder.open(LIVE, None)
    assert [recorder.put(RawFrame(i, i, image)) for i in range(5)] == [True, True, True, False, False]
    blocked.allowed.set()
    recorder.close()
    assert (recorder.written, recorder.dropped) == (3, 2)
    assert json.loads((tmp_path / "r" / "recording.json").read_text())["dropped"] == 2
    assert "2 of 5 frames were left out" in caplog.text


def test_a_slow_disk_makes_a_recorded_source_wait(tmp_path: Path) -> None:
    image = _noise(0, "grey8")
    frames = [RawFrame(i, i, image) for i in range(20)]
    assert _record(tmp_path / "r", frames, RecordFormat.PNG, queue_bytes=image.nbytes).written == 20


class Full:
    """Frame files on a disk that is full after a few frames."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, raw: RawFrame) -> list[str]:
        self.room -= 1
        if self.room < 0:
            raise OutputError(f"cannot write: {OSError(errno.ENOSPC, 'No space left on device').strerror}")
        return [f"{raw.timestamp_ns}.0 x.png"]

    def close(self) -> list[str]:
        raise OutputError("cannot write: No space left on device")


def test_a_full_disk_stops_the_recording_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = _with(Full(2), tmp_path / "r", waits=True, queue_bytes=1)
    fan = FanOut([RecorderSink(recorder)])
    fan.open(LIVE, CAMERA)
    with caplog.at_level(logging.ERROR):
        for index in range(9):
            fan.write(estimate(index))
        fan.close()
    assert fan.failed == ("RecorderSink",)
    assert [r.getMessage().split(":")[0] for r in caplog.records] == [
        "RecorderSink failed and is left out from now on; the others go on",
        "recording stopped after 2 frames",
    ]
    summary = json.loads((tmp_path / "r" / "recording.json").read_text())
    assert recorder.written == 2
    assert not summary["complete"]


def test_a_picture_has_its_name_only_once_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: object, target: Path) -> None:
        raise OSError(errno.EIO, f"no name for {target.name}")

    recorder = Recorder(tmp_path / "r", reserve_bytes=0)
    recorder.open(INFO, None)
    monkeypatch.setattr("os.replace", fail)
    recorder.put(RawFrame(0, 0, _noise(0, "grey8")))
    recorder.close()
    assert "no name for 000000.png" in str(recorder.failure)
    assert list((tmp_path / "r" / "images").iterdir()) == []


def test_recording_stops_while_the_others_still_have_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([2000 << 20, 100 << 20])
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": next(free)}))
    clock = iter(range(1000))
    recorder = Recorder(tmp_path / "r", reserve_bytes=200 << 20, clock=lambda: float(next(clock)))
    recorder.open(INFO, None)
    for i in range(3):
        recorder.put(RawFrame(i, i, _noise(i, "grey8")))
    recorder.close()
    assert recorder.written == 1
    assert "100 MiB are free, and 200 MiB are kept for others" in str(recorder.failure)
    stopped = json.loads((tmp_path / "r" / "recording.json").read_text())["stopped"]
    assert "nearly full" in stopped


def test_a_folder_with_a_recording_is_not_written_over(tmp_path: Path) -> None:
    _record(tmp_path / "r", [RawFrame(0, 0, _noise(0, "grey8"))], RecordFormat.PNG)
    with pytest.raises(OutputError, match=r"holds a recording already.*r\]$"):
        Recorder(tmp_path / "r").open(INFO, None)


def test_the_sink_keeps_calibration_poses_and_ground_truth(tmp_path: Path) -> None:
    truth = tmp_path / "truth.txt"
    truth.write_text("0 0 0 0 0 0 0 1\n")
    info = SourceInfo("kitchen", live=False, length=3, camera=None, clock="recording", groundtruth=truth)
    sink = RecorderSink(Recorder(tmp_path / "r", reserve_bytes=0), lens=LENS)
    assert isinstance(sink, Sink)
    sink.open(info, CAMERA)
    for index, verdict in enumerate([Verdict.TRACKED, Verdict.LOST, Verdict.COASTING, Verdict.LIMITED]):
        sink.write(estimate(index, verdict=verdict))
    sink.write(estimate(4, camera_from_world=SE3(np.eye(3), np.full(3, np.nan))))
    sink.close()
    sink.close()
    poses = load_tum(tmp_path / "r" / "trajectory.txt")
    assert poses.timestamps_ns.tolist() == [0, 99_999_999]
    np.testing.assert_allclose(poses.pose(1).matrix, estimate(3).world_from_camera.matrix, atol=10 * TUM_DECIMALS)
    assert load_calibration(tmp_path / "r" / "camera.yaml") == LENS
    assert (tmp_path / "r" / "groundtruth.txt").read_text() == truth.read_text()
    source = open_source(str(tmp_path / "r"))
    assert len(list(source)) == 5
    assert source.info.groundtruth == tmp_path / "r" / "groundtruth.txt"
    summary = json.loads((tmp_path / "r" / "recording.json").read_text())
    assert summary["complete"]
    assert (summary["source"], summary["clock"], summary["format"], summary["frames"]) == ("kitchen", "recording", "png", 5)


def test_a_recorder_without_poses_writes_no_trajectory(tmp_path: Path) -> None:
    _record(tmp_path / "r", [RawFrame(0, 0, _noise(0, "grey8"))], RecordFormat.PNG)
    assert not (tmp_path / "r" / "trajectory.txt").exists()
    assert not list((tmp_path / "r" / "images").glob(".*"))


def test_it_must_be_opened_first_and_may_be_closed_without(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r")
    with pytest.raises(ValueError, match="not open"):
        recorder.put(RawFrame(0, 0, _noise(0, "grey8")))
    recorder.close()
    assert not (tmp_path / "r").exists()


def test_a_damaged_video_costs_only_its_own_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sizes = [(20, 30)] * 3 + [(24, 30)] * 3 + [(20, 30)] * 3
    frames = [RawFrame(i, i * 10**8, _noise(i, "rgb8", *size)) for i, size in enumerate(sizes)]
    _record(tmp_path / "r", frames, RecordFormat.FFV1)
    (tmp_path / "r" / "video" / "000001.mkv").write_bytes(b"nothing")
    source = open_source(str(tmp_path / "r"))
    replayed = list(source)
    assert [frame.index for frame in replayed] == [0, 1, 2, 6, 7, 8]
    assert all(before.timestamp_ns < after.timestamp_ns for before, after in pairwise(replayed))
    np.testing.assert_array_equal(replayed[3].image, frames[6].image)
    assert "3 of 9 frames" in caplog.text


def test_nothing_but_damage_is_an_error(tmp_path: Path) -> None:
    _record(tmp_path / "r", [RawFrame(0, 0, _noise(0, "rgb8"))], RecordFormat.FFV1)
    (tmp_path / "r" / "video" / "000000.mkv").unlink()
    with pytest.raises(SourceError, match="None of 1 frames could be read"):
        list(open_source(str(tmp_path / "r")))
