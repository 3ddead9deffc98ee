"""Datasets that people have, read where they lie: frames in order, calibration and ground truth in our conventions.

A folder is recognised by what is in it; `scheme:FOLDER` says what it is where that is not enough. What the formats mean by their
numbers, and so what is done to them on the way to ours (world_from_camera, axes x right, y down, z forward; the centre of the
top-left pixel at (0, 0)):

| scheme | poses | axes of the camera | pixel centre | lens | times |
|---|---|---|---|---|---|
| `tum` TUM RGB-D | world_from_camera | ours | (0, 0), from ROS | that of `freiburg1`, 2 or 3, by the name | rgb.txt |
| `7scenes` 7-Scenes | world_from_camera | ours | (0, 0) | none is published: a usual one | 30 Hz |
| `12scenes` 12-Scenes | world_from_camera | ours | (0, 0) | info.txt, without distortion | 30 Hz |
| `euroc` EuRoC MAV | world_from_body, and body_from_camera in sensor.yaml | ours | (0, 0), from OpenCV | sensor.yaml | data.csv |
| `kitti` KITTI odometry | world_from_camera of camera 0 | ours | (0, 0) | calib.txt, without distortion | times.txt |
| `colmap` COLMAP project | camera_from_world | ours | (0.5, 0.5) | cameras.txt or .bin | 30 Hz |
| `nerfstudio` transforms.json | world_from_camera | x right, y up, z backward | (0.5, 0.5) | in the file | 30 Hz |
| `arkitscenes` ARKitScenes | camera_from_world | ours | (0, 0), Apple's | .pincam, without distortion | names |

The world is the dataset's own: a map must be in it too.
"""

from reloc.sources.datasets.formats import SCHEMES, named_dataset, open_dataset, recognised_dataset
from reloc.sources.datasets.poses import load_dataset_poses

__all__ = ["SCHEMES", "load_dataset_poses", "named_dataset", "open_dataset", "recognised_dataset"]
