"""`reloc rig`: how the cameras of a rig stand to one another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from reloc.errors import ConfigError
from reloc.files import json_document
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.colmap_images import load_colmap_images
from reloc.geometry.pose_text import parse_pose
from reloc.geometry.se3 import SE3, rotation_angle, xyzw_from_wxyz
from reloc.geometry.trajectory import load_tum, parse_seconds

EXAMPLES = """
reloc rig relative sparse/0/images.txt#left.jpg sparse/0/images.txt#right.jpg
reloc rig relative groundtruth.txt#1.5 groundtruth.txt#2.5 --json
reloc rig relative "0 0 1.2 0 0 0 1" "0.1 0 1.2 0 0 0 1"
"""

_POSE_HELP = (
    "A pose: “tx ty tz qx qy qz qw” (world_from_camera), FILE#TIME of a TUM trajectory, or FILE#NAME of an image in COLMAP's "
    "images.txt or images.bin."
)


def rig(
    action: Annotated[Literal["relative"], typer.Argument(help="What to do: `relative` gives the pose of B seen from A.")],
    a: Annotated[str, typer.Argument(metavar="A", help=_POSE_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same for the other camera.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compute how two cameras stand to one another, from where both are in the world.

    Prints b_from_a as `tx ty tz qx qy qz qw`: in a rig.yaml whose rig is camera A, it is the `camera_from_rig` of camera B.
    """
    world_from_a, world_from_b = _pose(a), _pose(b)
    b_from_a = world_from_b.inverse() @ world_from_a
    numbers = [*b_from_a.translation.tolist(), *xyzw_from_wxyz(b_from_a.wxyz).tolist()]
    distance = float(np.linalg.norm(b_from_a.translation))
    angle = float(np.degrees(rotation_angle(world_from_a, world_from_b)))
    if as_json:
        print(json_document({"a": a, "b": b, "b_from_a": numbers, "distance": distance, "angle_deg": angle}), end="")
        return
    print(f"b_from_a {' '.join(f'{value:.9f}' for value in numbers)}")
    print(f"{distance:.6g} apart, turned by {angle:.3f}°")


def _pose(text: str) -> SE3:
    """Return world_from_camera of a pose as it is given on the command line."""
    name, mark, which = text.rpartition("#")
    if not mark:
        return parse_pose(text)
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigError("there is no such file of poses; expected FILE#TIME or FILE#NAME", path)
    if path.suffix == ".bin" or path.name == "images.txt":
        return _of_image(path, which)
    return _at_time(path, which)


def _of_image(path: Path, name: str) -> SE3:
    images = load_colmap_images(path)
    for image in images:
        if name in (image.name, Path(image.name).name):
            return image.camera_from_world.inverse()
    some = ", ".join(image.name for image in images[:5])
    raise ConfigError(
        f"the COLMAP model has no image {name!r}; it holds {some or 'none'}{', ...' if len(images) > 5 else ''}", path
    )


def _at_time(path: Path, text: str) -> SE3:
    try:
        wanted = parse_seconds(text)
    except (ValueError, OverflowError):
        raise ConfigError(f"a time in seconds is expected after #, found {text!r}", path) from None
    trajectory = load_tum(path)
    nearest = trajectory.pose(trajectory.nearest(wanted)), int(trajectory.timestamps_ns[trajectory.nearest(wanted)])
    if abs(nearest[1] - wanted) > NANOSECONDS_PER_SECOND // 1000:
        raise ConfigError(f"there is no pose at {text} s; the nearest is at {nearest[1] / NANOSECONDS_PER_SECOND:.6f} s", path)
    return nearest[0]
