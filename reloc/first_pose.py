"""The pose to begin with, as a user gives it."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from reloc.errors import ConfigError, RelocError
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.files import exists, path_of
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.colmap_images import colmap_model, load_colmap_images
from reloc.geometry.pose_text import POSE_FORM, parse_pose
from reloc.geometry.se3 import SE3

# A camera in a hand moves by a decimetre in this time, which is more than the alignment always bridges.
_LARGEST_GAP_S = 0.25

# A dataset by its kind, such as tum:FOLDER; two letters or more, so that C:\\ remains a drive.
_SCHEME = re.compile(r"[A-Za-z0-9]{2,}:")

_log = logging.getLogger(__name__)


def first_pose(init: str, timestamp_ns: int, name: str = "") -> SE3:
    """Return world_from_camera of `tx ty tz qx qy qz qw`, or from a trajectory the pose nearest to the time of the first frame.

    A trajectory is a TUM file, or what a recording, a dataset or a run brings along. The folder of a COLMAP model gives the pose
    of the image that is called like the first frame, `name`. Raises `ConfigError` for anything else.
    """
    path = path_of(init)
    named = _named(path, name) if exists(path) else None
    if named is not None:
        return named
    if init and (exists(path) or _SCHEME.match(init)):
        return _nearest(path, timestamp_ns)
    if len(init.split()) > 1:
        return parse_pose(init)
    raise ConfigError(
        f"the first pose is seven numbers `{POSE_FORM}` in quotes, or a file with a trajectory; there is no such file", init
    )


def some_pose(init: str) -> SE3:
    """Return a pose that `init` holds, whatever its time: for what must be made ready before there is a frame.

    Raises `ConfigError` as `first_pose` does.
    """
    path = path_of(init)
    if not exists(path):
        return first_pose(init, 0)
    try:
        if (model := colmap_model(path)) is not None:
            return load_colmap_images(model.images)[0].camera_from_world.inverse()
        return load_groundtruth(path).pose(0)
    except RelocError as error:
        raise ConfigError(f"no first pose: {error}", None if error.path else path) from error
    except IndexError as error:
        raise ConfigError("no first pose: the COLMAP model holds no image", path) from error


def _named(folder: Path, name: str) -> SE3 | None:
    """Return world_from_camera of the image of that name in the COLMAP model that lies in a folder, in `sparse` or in `sparse/0`.

    None where there is no model, or one beside other poses that does not know the image.
    """
    models = ((place, colmap_model(place)) for place in (folder, folder / "sparse", folder / "sparse" / "0"))
    place, model = next((found for found in models if found[1] is not None), (folder, None))
    if model is None:
        return None
    try:
        images = load_colmap_images(model.images)
    except RelocError as error:
        raise ConfigError(f"no first pose: {error}", None if error.path else folder) from error
    # COLMAP's names may begin with folders, a source's are those of the files alone.
    found = [one for one in images if one.name == name] or [one for one in images if name and Path(one.name).name == name]
    if len(found) == 1:
        return found[0].camera_from_world.inverse()
    if place != folder:
        return None
    problem = f"{len(found)} of the {len(images)} images are" if found else f"none of the {len(images)} images is"
    raise ConfigError(f"no first pose: {problem} called `{name}`, as the first frame is", folder)


def _nearest(path: Path, timestamp_ns: int) -> SE3:
    try:
        trajectory = load_groundtruth(path)
        index = trajectory.nearest(timestamp_ns)
    except RelocError as error:
        raise ConfigError(f"no first pose: {error}", None if error.path else path) from error
    except OSError as error:
        raise ConfigError(f"no first pose: {error.strerror or error}", str(path)[:200]) from error
    gap_s = abs(int(trajectory.timestamps_ns[index]) - timestamp_ns) / NANOSECONDS_PER_SECOND
    if gap_s > _LARGEST_GAP_S:
        _log.warning(
            "the pose nearest in time to the first frame (%.6f s) is %.3f s away: do both count from the same moment? [%s]",
            timestamp_ns / NANOSECONDS_PER_SECOND,
            gap_s,
            path,
        )
    return trajectory.pose(index)
