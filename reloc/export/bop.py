"""BOP, the benchmark of object poses: there the map is an object, and its pose is that of the model in the camera.

So R and t are camera_from_world, in millimetres. `scene_gt.json` and `scene_camera.json` are the annotations of a scene, and
results.csv is what the benchmark's server and toolkit evaluate. BOP's images are undistorted.
"""

from __future__ import annotations

import numpy as np

from reloc.errors import OutputError
from reloc.export.selection import ExportedPoses
from reloc.files import json_line
from reloc.geometry import batch

_MILLIMETRES = 1000.0
_SCENE, _OBJECT = 1, 1


def bop_files(poses: ExportedPoses) -> dict[str, str]:
    """Return the text of each file; raises `OutputError` where the camera is not known."""
    camera = poses.camera or (None if poses.lens is None else poses.lens.pinhole)
    if camera is None:
        raise OutputError("BOP needs the camera, and the run does not say which it was: give --camera FILE")
    turns = batch.conjugate(poses.trajectory.quaternions)
    rotations = batch.rotation_matrices(turns).reshape(-1, 9).tolist()
    shifts = (-_MILLIMETRES * batch.rotate(turns, poses.trajectory.translations)).tolist()
    images = _image_numbers(poses)
    truth, cameras, results = [], [], ["scene_id,im_id,obj_id,score,R,t,time"]
    for i, image in enumerate(images):
        r, t = rotations[i], shifts[i]
        truth.append(f'"{image}": ' + json_line([{"cam_R_m2c": r, "cam_t_m2c": t, "obj_id": _OBJECT}]))
        of_camera = {"cam_K": camera.matrix.reshape(-1), "depth_scale": 1.0, "cam_R_w2c": r, "cam_t_w2c": t}
        cameras.append(f'"{image}": ' + json_line(of_camera))
        score = poses.scores[i] if np.isfinite(poses.scores[i]) else 1.0
        # The time that a pose took is not part of a trajectory; −1 is BOP's word for that.
        results.append(f"{_SCENE},{image},{_OBJECT},{score:.6g},{_spaced(r)},{_spaced(t)},-1")
    return {
        "scene_gt.json": "{\n" + ",\n".join(truth) + "\n}\n",
        "scene_camera.json": "{\n" + ",\n".join(cameras) + "\n}\n",
        "results.csv": "\n".join(results) + "\n",
    }


def _image_numbers(poses: ExportedPoses) -> list[int]:
    """Return the numbers of the images: the frames' own, unless some poses belong to none."""
    indices: list[int] = poses.indices.tolist()
    return indices if min(indices) >= 0 and len(set(indices)) == len(indices) else list(range(len(indices)))


def _spaced(values: list[float]) -> str:
    return " ".join(f"{value:.12g}" for value in values)
