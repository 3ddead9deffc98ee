"""Makes a complete recording of the made-up room: images, times, calibration, map and ground truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import ConfigError
from reloc.files import write_atomically
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.calibration import save_calibration
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, format_seconds, save_tum
from reloc.mesh.write import write_obj
from reloc.render.software import SoftwareRenderer
from reloc.synthetic.camera import Imperfections, SyntheticCamera, demo_lens
from reloc.synthetic.handheld import HandHeld
from reloc.synthetic.scene import make_room

_JPEG_QUALITY = 92
_MOST_THREADS = 4


def make_recording(
    folder: Path,
    *,
    frames: int = 150,
    size: tuple[int, int] = (640, 480),
    seed: int = 0,
    lens: LensCamera | None = None,
    fps: float = 30.0,
    imperfections: Imperfections | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a recording of a hand-held walk through the room of `seed` into `folder`, and return the folder.

    It holds `camera.yaml`, `timestamps.txt`, `images/`, `map/mesh.obj` and `groundtruth.txt` (poses at mid-exposure). `lens`
    (default `demo_lens`) overrides `size`. `progress` is told how many of the images are done. The same arguments give the
    same bytes. Raises `ConfigError` for numbers that make no recording.
    """
    if frames < 1 or not fps > 0:
        raise ConfigError(f"A recording needs at least one frame and a positive rate, not {frames} frames at {fps:g} a second")
    lens = demo_lens(*size) if lens is None else lens
    room = make_room(seed)
    path = HandHeld(seed)
    camera = SyntheticCamera(SoftwareRenderer(room), lens, imperfections or Imperfections(), seed)
    times_ns = _times_ns(frames, fps)

    write_obj(room, folder / "map")
    write_camera(folder, lens, camera, times_ns, path.world_from_camera, progress)
    poses = (path.world_from_camera(time_ns / NANOSECONDS_PER_SECOND) for time_ns in times_ns)
    save_tum(folder / "groundtruth.txt", Trajectory.from_poses(times_ns, poses))
    return folder


def _times_ns(frames: int, fps: float) -> list[int]:
    """Return when the frames are exposed."""
    return [round(index * NANOSECONDS_PER_SECOND / Fraction(fps)) for index in range(frames)]


def write_camera(
    folder: Path,
    lens: LensCamera,
    camera: SyntheticCamera,
    times_ns: Sequence[int],
    world_from_camera: Callable[[float], SE3],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write `camera.yaml`, `timestamps.txt` and `images/` of a camera that takes a photograph at each of these times."""

    def photograph(index: int) -> None:
        image = camera.photograph(index, times_ns[index] / NANOSECONDS_PER_SECOND, world_from_camera)
        _write_jpeg(folder / _image_name(index), image)

    save_calibration(lens, folder / "camera.yaml")
    _for_each(photograph, len(times_ns), progress)
    lines = [f"{format_seconds(time_ns)} {_image_name(index)}" for index, time_ns in enumerate(times_ns)]
    write_atomically(folder / "timestamps.txt", "\n".join(["# timestamp image", *lines]) + "\n")


def _for_each(work: Callable[[int], None], count: int, progress: Callable[[int, int], None]) -> None:
    """Do numbered pieces of work, several at a time where there are cores: the kernels let go of the interpreter lock."""
    work(0)  # compiles the kernels and builds the texture levels once
    progress(1, count)
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(work, range(1, count)), start=2):
            progress(done, count)


def _image_name(index: int) -> str:
    return f"images/{index:06d}.jpg"


def _write_jpeg(path: Path, rgb: NDArray[np.uint8]) -> None:
    data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    write_atomically(path, data.tobytes())
