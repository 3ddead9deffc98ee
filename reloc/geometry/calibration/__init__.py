"""Lens calibrations in files: whatever tool a camera was calibrated with.

A file is recognised by what it holds, not by its name. Where the formats put the centre of the top-left pixel, and so what is
done to a principal point on the way to our (0, 0):

| format | pixel centre | source |
|---|---|---|
| reloc's YAML | its key `pixel_center`: 0.0 (the default) or 0.5 | minus `pixel_center` |
| COLMAP cameras.txt, cameras.bin | (0.5, 0.5), COLMAP's `sensor/models.h` | minus 0.5 |
| ROS camera_info | (0, 0), made with and for OpenCV | as it is |
| Kalibr camchain | (0, 0), its corners come from OpenCV | as it is |
| OpenCV FileStorage | (0, 0), `cv2.projectPoints` and `cv2.remap` | as it is |
"""

from reloc.geometry.calibration.load import load_calibration
from reloc.geometry.calibration.native import save_calibration
from reloc.geometry.calibration.rig import load_rig, save_rig

__all__ = ["load_calibration", "load_rig", "save_calibration", "save_rig"]
