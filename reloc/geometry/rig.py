"""Several cameras that are fixed to one another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reloc.errors import CalibrationError
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3


@dataclass(frozen=True, eq=False)
class RigCamera:
    """A camera of a rig."""

    name: str
    lens: LensCamera
    camera_from_rig: SE3


@dataclass(frozen=True, eq=False)
class Rig:
    """Cameras that are fixed to one another; the rig's own frame is where its calibration puts it, often in the first camera."""

    cameras: tuple[RigCamera, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the cameras, in their order."""
        return tuple(camera.name for camera in self.cameras)

    def seen_from(self, name: str) -> Rig:
        """Return the same rig with its frame in one of its cameras."""
        rig_from_camera = self.camera(name).camera_from_rig.inverse()
        return Rig(tuple(replace(one, camera_from_rig=one.camera_from_rig @ rig_from_camera) for one in self.cameras))

    def camera(self, name: str) -> RigCamera:
        """Return the camera of a name; raises `CalibrationError` where there is none."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise CalibrationError(f"The rig has no camera {name!r}; its cameras are {', '.join(self.names)}.")
