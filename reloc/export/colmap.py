"""COLMAP: cameras.txt, images.txt and points3D.txt of a sparse model.

COLMAP's poses are camera_from_world, its quaternions begin with the real part, and the centre of its top-left pixel is
(0.5, 0.5). Its text files part fields by spaces, so that no image may have one in its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from reloc.errors import OutputError
from reloc.export.map_points import ColoredPoints
from reloc.export.selection import ExportedPoses
from reloc.geometry import batch
from reloc.geometry.lens import LensCamera, LensModel

_PIXEL_CENTER = 0.5
_ONE_FOCAL_LENGTH = (LensModel.SIMPLE_RADIAL, LensModel.RADIAL)


def colmap_files(poses: ExportedPoses, points: ColoredPoints | None = None) -> dict[str, str]:
    """Return the text of each file.

    Raises `OutputError` where the camera or the names of the images are not known, or COLMAP could not read a name.
    """
    lens = poses.lens or (None if poses.camera is None else LensCamera(LensModel.PINHOLE, **asdict(poses.camera)))
    if lens is None:
        raise OutputError("a COLMAP model needs the camera, and the run does not say which it was: give --camera FILE")
    _check_names(poses.names)
    head = f"# written by reloc from {poses.name}; poses are camera_from_world"
    images = [line for image in _images(poses) for line in (image, "")]
    return {
        "cameras.txt": f"# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]\n{_camera(lens)}\n",
        "images.txt": "\n".join([head, "# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", *images]) + "\n",
        "points3D.txt": "\n".join(["# POINT3D_ID X Y Z R G B ERROR TRACK[]", *_points(points)]) + "\n",
    }


def _check_names(names: tuple[str, ...]) -> None:
    if "" in names:
        raise OutputError(
            f"a COLMAP model needs the name of each image, and {names.count('')} of {len(names)} poses have none: "
            "leave out resampling, or give --images with a recording or its timestamps.txt"
        )
    spaced = [name for name in names if name.split() != [name]]
    if spaced:
        raise OutputError(f"COLMAP's text files cannot hold a name with a space in it: `{spaced[0]}`; rename the images")
    if len(set(names)) < len(names):
        raise OutputError("COLMAP takes each image once, but two poses have images of the same name")


def _camera(lens: LensCamera) -> str:
    """Return the line of camera 1."""
    focal: tuple[float, ...] = (lens.fx, lens.fy)
    model, distortion = lens.model.value, lens.distortion
    if lens.model in _ONE_FOCAL_LENGTH and lens.fx == lens.fy:
        focal = (lens.fx,)
    elif lens.model in _ONE_FOCAL_LENGTH:
        model, distortion = LensModel.OPENCV.value, (*distortion, 0.0, 0.0, 0.0)[:4]
    parameters = (*focal, lens.cx + _PIXEL_CENTER, lens.cy + _PIXEL_CENTER, *distortion)
    return f"1 {model} {lens.width} {lens.height} {' '.join(map(repr, map(float, parameters)))}"


def _images(poses: ExportedPoses) -> Iterator[str]:
    """Yield the line of each image."""
    turns = batch.conjugate(poses.trajectory.quaternions)
    shifts = -batch.rotate(turns, poses.trajectory.translations)
    for i, row in enumerate(np.hstack([turns, shifts]).tolist()):
        yield f"{i + 1} {' '.join(map(repr, row))} 1 {poses.names[i]}"


def _points(points: ColoredPoints | None) -> Iterator[str]:
    """Yield the line of each point; nothing is known of their errors, and no image was matched to them."""
    if points is not None:
        for i, (position, color) in enumerate(zip(points.positions.tolist(), points.colors.tolist(), strict=True)):
            yield f"{i + 1} {' '.join(f'{value:.9g}' for value in position)} {' '.join(map(str, color))} 0"
