"""Masks made ready to be aligned: pyramids of their outlines, one for each camera that sees the object."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reloc.align.layers import image_pyramid
from reloc.align.outline import Outline, outline_of_mask
from reloc.errors import SourceError
from reloc.frame import Frame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3

# The coarsest level shows the object about this large, as the side of a square of its area: smaller, and its shape is lost.
_COARSEST_SIDE_PX = 20.0
# A mask with less area than this, in pixels of the working size, has no outline to speak of.
_LEAST_AREA_PX = 50


@dataclass(frozen=True, eq=False)
class MaskLevel:
    """One level of the pyramid of a mask."""

    camera: PinholeCamera
    outline: Outline


@dataclass(frozen=True, eq=False)
class MaskView:
    """A mask, and where on the rig the camera is that saw it."""

    levels: tuple[MaskLevel, ...]
    """Finest first."""
    camera_from_rig: SE3 = field(default_factory=SE3.identity)

    def at(self, above_coarsest: int) -> MaskLevel:
        """Return the level so many levels above the coarsest, or the finest where there are fewer."""
        return self.levels[max(len(self.levels) - 1 - above_coarsest, 0)]

    def at_most(self, width_px: int) -> MaskLevel:
        """Return the finest level that is at most so wide, or the coarsest."""
        narrow = [level for level in self.levels if level.camera.width <= width_px]
        return narrow[0] if narrow else self.levels[-1]


def view_of_mask(frame: Frame, camera_from_rig: SE3 | None = None) -> MaskView:
    """Return the pyramid of a mask that was undistorted as an image is: white (1) on the object, black elsewhere."""
    return mask_view(frame.image, frame.valid, frame.camera, camera_from_rig)


def mask_view(
    coverage: NDArray[np.float32], known: NDArray[np.bool_], camera: PinholeCamera, camera_from_rig: SE3 | None = None
) -> MaskView:
    """Return the pyramid of a mask: the share 0..1 (H, W) of each undistorted pixel that it covers, and where that is known.

    Raises `SourceError` for a mask that is empty or covers all of the image: neither has an outline.
    """
    area = float(coverage[known].sum())
    if not _LEAST_AREA_PX < area < np.count_nonzero(known) - _LEAST_AREA_PX:
        found = "nothing" if area <= _LEAST_AREA_PX else "everything"
        raise SourceError(
            f"The mask covers {found} of the image that the lens shows, so it has no outline; expected the object white on black"
        )
    levels = 1 + max(0, math.floor(math.log2(math.sqrt(area) / _COARSEST_SIDE_PX)))
    pyramid = image_pyramid(coverage, known, camera, levels)
    made = tuple(MaskLevel(at, outline_of_mask(values, valid)) for values, valid, at in pyramid)
    return MaskView(made, SE3.identity() if camera_from_rig is None else camera_from_rig)
