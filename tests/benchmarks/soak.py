"""`python -m tests.benchmarks.soak --minutes 30`: a live run with faults of all kinds; memory, threads, files and order watched.

The run is recorded as video, and its health is asked for again and again, as on a robot. Prints what it found, keeps it in
out/soak.json, and ends with 1 where something leaked or came out of order.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import cv2
import numpy as np
import psutil

from reloc.build import SUMMARY, make_consumers, make_relocalizer, make_renderer, make_text_files, make_undistorter
from reloc.config import load_config
from reloc.estimate import Estimate, Verdict
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.trajectory import load_tum
from reloc.health import HealthSink, HealthState
from reloc.live import LiveCamera, LiveConfig
from reloc.live_node import run_live, warm_up
from reloc.mesh.load import load_mesh
from reloc.sinks.queued import QueuedSink
from reloc.sinks.summary import SummarySink
from reloc.sources.open import open_source
from reloc.sources.source import SourceInfo
from reloc.synthetic.recording import make_recording
from tests.faulty_camera import Fault, Room

SETTLES_SHARE = 0.4
"""What a process needs is known after this share of the run: buffers have grown, hung threads are there."""
RECOVERY_S = 0.4
"""The longest disturbance of the images lasts ten frames."""
GRACE_S = 60.0
"""How much longer than asked it may take, on a busy machine, until all faults have happened and tracking has come back."""
MOST_GROWTH_MIB = 8.0
"""From then on, by a fitted line. 54,000 images of 230 kB go through in half an hour: one in a thousand kept would be 12 MiB."""


@dataclass
class SoakReport:
    """What a soak found."""

    seconds: float
    frames: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    out_of_order: int = 0
    reconnects: int = 0
    dropped: int = 0
    unordered: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    rss_mib: list[float] = field(default_factory=list)
    growth_mib: float = 0.0
    threads_before: int = 0
    threads_most: int = 0
    threads_after: int = 0
    files_before: int = 0
    files_after: int = 0
    latency_ms: dict[str, float] = field(default_factory=dict)
    sinks: list[dict[str, object]] = field(default_factory=list)
    health_answers: dict[str, int] = field(default_factory=dict)
    """How often which question was answered by which code."""
    ended_tracked: bool = False

    def complaints(self, *, memory: bool = True) -> list[str]:
        """Return what must not be."""
        found = {
            "frames came out of order": self.out_of_order > 0,
            "memory grew": memory and self.growth_mib > MOST_GROWTH_MIB,
            "threads were leaked": self.threads_after > self.threads_before,
            "files were left open": self.files_after > self.files_before,
            "faults did not happen": min(self.faults.get(fault, 0) for fault in Fault) == 0,
            "health was never good, or never bad": not {"/health 200", "/health 503", "/metrics 200"} <= set(self.health_answers),
            "tracking did not come back": not self.ended_tracked,
        }
        return [complaint for complaint, is_so in found.items() if is_so]


class OrderWatch:
    """A sink that sees every estimate and counts those whose number or time does not increase."""

    def __init__(self) -> None:
        self.out_of_order = 0
        self._latest = (-1, -1)

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Do nothing."""

    def write(self, estimate: Estimate) -> None:
        """Compare with the one before."""
        now = (estimate.frame.index, estimate.frame.timestamp_ns)
        self.out_of_order += not (now[0] > self._latest[0] and now[1] > self._latest[1])
        self._latest = now

    def close(self) -> None:
        """Do nothing."""


class Troubled:
    """A sink that is slow, stalls now and then, or fails."""

    def __init__(self, act: Callable[[int], None]) -> None:
        self._act, self._count = act, 0

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Do nothing."""

    def write(self, estimate: Estimate) -> None:
        """Do what it was made for."""
        self._count += 1
        self._act(self._count)

    def close(self) -> None:
        """Do nothing."""


def _fail_at(last: int, count: int) -> None:
    if count > last:
        raise OSError("disk full")


class Meter:
    """Samples memory and threads of this process, and asks for its health, while the block runs."""

    def __init__(self, report: SoakReport, health: HealthSink, every_s: float) -> None:
        self._report, self._health, self._every_s = report, health, every_s
        self._answers: Counter[str] = Counter()
        self._done = threading.Event()
        self._process = psutil.Process()
        self._thread = threading.Thread(target=self._sample, name="meter", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._report.health_answers = dict(self._answers)

    def _sample(self) -> None:
        while not self._done.wait(self._every_s):
            self._report.rss_mib.append(self._process.memory_info().rss / 2**20)
            self._report.threads_most = max(self._report.threads_most, threading.active_count())
            for question in ("/health", "/metrics"):
                self._ask(question)

    def _ask(self, question: str) -> None:
        if not (url := self._health.url):
            return
        try:
            with urlopen(f"{url}{question}", timeout=GRACE_S) as answer:
                answer.read()
                self._answers[f"{question} {answer.status}"] += 1
        except HTTPError as error:
            with error:
                self._answers[f"{question} {error.code}"] += 1
        except OSError:  # not open yet, or not any more
            self._answers[f"{question} nothing"] += 1


def soak(
    seconds: float, *, fault_every: int, config: LiveConfig, rate_hz: float = 30.0, pictures: int = 24, sample_s: float = 1.0
) -> SoakReport:
    """Run for `seconds` with a fault after every `fault_every` frames, and return what was seen."""
    report = SoakReport(seconds)
    with tempfile.TemporaryDirectory() as folder:
        _soak(report, Path(folder), fault_every, config, rate_hz, pictures, sample_s)
    report.growth_mib = _growth(report.rss_mib)
    return report


def _soak(
    report: SoakReport, folder: Path, fault_every: int, live: LiveConfig, rate_hz: float, pictures: int, sample_s: float
) -> None:
    recording = make_recording(folder / "room", frames=pictures, size=(320, 240))
    source, config = open_source(str(recording)), load_config(None, ["record.enabled=true", "record.format=h264"])
    lens, mesh = source.info.camera, load_mesh(recording / "map" / "mesh.obj")
    assert lens is not None
    start = load_tum(recording / "groundtruth.txt").pose(0)
    renderer, undistorter = make_renderer(config, mesh), make_undistorter(config, lens)
    make = partial(make_relocalizer, config, mesh, lens, start, renderer=renderer, undistorter=undistorter)
    warm_up(make, renderer, lens, start)
    process = psutil.Process()
    report.threads_before, report.files_before = threading.active_count(), process.num_fds()

    room = Room([frame.image for frame in source], lens, rate_hz=rate_hz, fault_every=fault_every)
    camera = LiveCamera(room.open(), room.open, live)
    order, verdicts, latencies_ms = OrderWatch(), Counter[str](), list[float]()
    troubled = [
        QueuedSink(Troubled(lambda count: time.sleep(0.4)), capacity=2, close_timeout_s=5.0),
        QueuedSink(Troubled(lambda count: time.sleep(0.0 if count % 60 else 2.0)), close_timeout_s=5.0),
        QueuedSink(Troubled(partial(_fail_at, 10)), close_timeout_s=5.0),
    ]
    recorders = [QueuedSink(sink, close_timeout_s=GRACE_S) for sink in make_consumers(config, folder / "out", lens)]
    queued = [*troubled, *recorders]
    # Not those that are meant to fail: with them nothing would ever be well.
    health = HealthSink(HealthState(camera.status, lambda: [sink.status for sink in recorders]), 0)
    files = make_text_files(config, folder / "out", SummarySink(folder / "out" / SUMMARY, lens=lens))
    end_s = time.monotonic() + report.seconds
    latest_s = end_s + GRACE_S
    last: list[Estimate] = []

    def watch(estimate: Estimate) -> None:
        verdicts[estimate.verdict.value] += 1
        latencies_ms.append(estimate.milliseconds["latency"])
        last[:] = [estimate]
        # Frames are kept only for as long as they are looked at.
        if len(latencies_ms) > 100_000:
            del latencies_ms[:50_000]

    with Meter(report, health, sample_s):
        result = run_live(
            camera,
            lambda raw: make(),
            [order, *files, health, *queued],
            undistorter.full_camera,
            progress=watch,
            # Each fault must have had its turn, and tracking the time to come back from the last one.
            stop=lambda: time.monotonic() > (end_s if _is_well(last, room) else latest_s),
        )
    status = camera.status()
    room.released.set()
    _wait_for_threads(report.threads_before)
    report.frames, report.verdicts, report.out_of_order = result.frames, dict(verdicts), order.out_of_order
    report.reconnects, report.dropped, report.unordered = status.reconnects, status.dropped, status.unordered
    report.faults = {fault.value: count for fault, count in room.happened.items()}
    report.threads_after, report.files_after = threading.active_count(), process.num_fds()
    report.latency_ms = {"median": float(np.median(latencies_ms)), "p95": float(np.percentile(latencies_ms, 95))}
    report.sinks = [asdict(sink.status) for sink in queued]
    report.ended_tracked = result.last is Verdict.TRACKED


def _is_well(last: list[Estimate], room: Room) -> bool:
    """Return whether every fault has had its turn, and tracking has come back from the latest one."""
    if not last or len(room.happened) < len(Fault) or last[0].verdict is not Verdict.TRACKED:
        return False
    return (last[0].frame.raw.host_ns or 0) / 1e9 > room.latest_fault_s + RECOVERY_S


def _wait_for_threads(count: int, patience_s: float = 10.0) -> None:
    end_s = time.monotonic() + patience_s
    while threading.active_count() > count and time.monotonic() < end_s:
        time.sleep(0.01)


def _growth(rss_mib: list[float]) -> float:
    """Return how much a line through the samples rises, once the process has settled."""
    settled = rss_mib[int(SETTLES_SHARE * len(rss_mib)) :]
    if len(settled) < 2:
        return 0.0
    return float(np.polyfit(np.arange(len(settled)), settled, 1)[0] * (len(settled) - 1))


def main() -> int:
    """Run, print and save."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--fault-every", type=int, default=240, metavar="N", help="frames between faults [default: 240]")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    logging.basicConfig(level=logging.ERROR)
    report = soak(60.0 * given.minutes, fault_every=given.fault_every, config=LiveConfig(), sample_s=5.0)
    found = asdict(report) | {"load": os.getloadavg(), "complaints": report.complaints()}
    out = Path(__file__).resolve().parents[2] / "out"
    out.mkdir(exist_ok=True)
    (out / "soak.json").write_text(json.dumps(found, indent=2) + "\n")
    shown = {key: value for key, value in found.items() if key != "rss_mib"}
    print(
        json.dumps(
            shown | {"rss_mib": [round(value) for value in report.rss_mib[:: max(1, len(report.rss_mib) // 20)]]}, indent=2
        )
    )
    return 1 if report.complaints() else 0


if __name__ == "__main__":
    raise SystemExit(main())
