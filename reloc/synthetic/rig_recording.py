"""Makes the recording of a rig: two cameras of different lenses and sizes, carried through the made-up room together."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path

import numpy as np

from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.calibration import save_rig
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3, rotation_exp
from reloc.geometry.trajectory import Trajectory, save_tum
from reloc.mesh.write import write_obj
from reloc.render.software import SoftwareRenderer
from reloc.synthetic.camera import Imperfections, SyntheticCamera, demo_lens
from reloc.synthetic.handheld import HandHeld
from reloc.synthetic.recording import write_camera
from reloc.synthetic.scene import make_room

LEFT, RIGHT = "left", "right"
# The right camera looks 25° further to the right, from 0.25 m beside the left one.
_LEFT_FROM_RIGHT = SE3(rotation_exp([0.0, np.radians(25.0), 0.0]), np.array([0.25, 0.0, 0.03]))


def make_rig_recording(
    folder: Path,
    *,
    frames: int = 150,
    size: tuple[int, int] = (640, 480),
    seed: int = 0,
    fps: float = 30.0,
    imperfections: Imperfections | None = None,
    missing: dict[str, Collection[int]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write the recording of a rig into `folder`, and return the folder.

    It holds `rig.yaml`, a folder for each camera with `camera.yaml`, `timestamps.txt` and `images/`, the map, and in
    `groundtruth.txt` the poses of the left camera. The right camera has three quarters of its `size` and a longer lens.

    Args:
        folder: Where to.
        frames: How many instants.
        size: Of the left camera's images.
        seed: Another number makes another room and another walk.
        fps: Instants a second.
        imperfections: Of both cameras.
        missing: For each camera the instants that it misses.
        progress: Is told how many of all images are done.
    """
    room, path = make_room(seed), HandHeld(seed)
    renderer = SoftwareRenderer(room)
    lenses = {LEFT: demo_lens(*size), RIGHT: _right_lens(3 * size[0] // 4, 3 * size[1] // 4)}
    left_from_camera = {LEFT: SE3.identity(), RIGHT: _LEFT_FROM_RIGHT}
    times_ns = [round(index * NANOSECONDS_PER_SECOND / Fraction(fps)) for index in range(frames)]
    write_obj(room, folder / "map")
    for number, (name, lens) in enumerate(lenses.items()):
        gone = set((missing or {}).get(name, ()))
        pose = left_from_camera[name]
        write_camera(
            folder / name,
            lens,
            SyntheticCamera(renderer, lens, imperfections or Imperfections(), seed + 100 * number),
            [time_ns for index, time_ns in enumerate(times_ns) if index not in gone],
            lambda time_s, pose=pose: path.world_from_camera(time_s) @ pose,  # type: ignore[misc]
            lambda done, total, before=number * frames: progress(before + done, 2 * frames),  # type: ignore[misc]
        )
    files = {name: f"{name}/camera.yaml" for name in lenses}
    save_rig(folder / "rig.yaml", files, {name: pose.inverse() for name, pose in left_from_camera.items()})
    poses = [path.world_from_camera(time_ns / NANOSECONDS_PER_SECOND) for time_ns in times_ns]
    save_tum(folder / "groundtruth.txt", Trajectory.from_poses(times_ns, poses))
    return folder


def _right_lens(width: int, height: int) -> LensCamera:
    """Return a longer lens than the left one, 46° wide, that bends lines the other way."""
    focal = 1.18 * width
    return LensCamera(LensModel.OPENCV, width, height, focal, focal, 0.505 * width, 0.49 * height, (0.05, -0.02, 0.0, 0.0004))
