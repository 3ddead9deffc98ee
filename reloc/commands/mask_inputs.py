"""What `reloc align --mask` reads: masks with their cameras, and an image beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reloc.align.mask_views import MaskView, view_of_mask
from reloc.build import find_lens
from reloc.commands.align_request import AlignRequest
from reloc.config import RelocConfig
from reloc.errors import ConfigError, SourceError
from reloc.frame import Frame, RawFrame
from reloc.geometry.calibration import load_rig
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.sources.mask import read_object_mask
from reloc.sources.open import open_source
from reloc.sources.peek import peeked
from reloc.sources.source import SourceInfo
from reloc.undistort import Undistorter, halved_width

_OWN_CAMERA = "camera"
"""What the only camera is called where there is no rig."""


@dataclass(frozen=True, eq=False)
class GivenMask:
    """A mask with its camera."""

    name: str
    file: Path
    lens: LensCamera
    mask: Frame
    """The undistorted mask, as an image."""
    view: MaskView


def read_inputs(request: AlignRequest, config: RelocConfig) -> tuple[RawFrame | None, list[GivenMask]]:
    """Return the image, if there is one, and the masks with their cameras."""
    if request.rig is None:
        raw, info = _photograph(request)
        return raw, [_given(_OWN_CAMERA, Path(request.masks[0]), find_lens(request.camera, info), SE3.identity(), config)]
    rig = load_rig(request.rig)
    masks = []
    for text in request.masks:
        name, mark, file = text.partition("=")
        if not mark:
            raise ConfigError(f"with --rig a mask is NAME=IMAGE with one of {', '.join(rig.names)}; found {text!r}")
        camera = rig.camera(name)
        masks.append(_given(name, Path(file), camera.lens, camera.camera_from_rig, config))
    return None, masks


def _photograph(request: AlignRequest) -> tuple[RawFrame | None, SourceInfo]:
    if request.image is None:
        return None, SourceInfo(request.masks[0], live=False, length=1, camera=None)
    with open_source(request.image, mask=request.ignore) as source:
        return peeked(source)[0], source.info


def _given(name: str, file: Path, lens: LensCamera, camera_from_rig: SE3, config: RelocConfig) -> GivenMask:
    """Read and undistort a mask, to the same size as an image of the camera."""
    white = read_object_mask(file.expanduser()).astype(np.uint8) * np.uint8(255)
    width = halved_width(lens.width, config.undistort.working_width)
    mask = Undistorter(lens, working_width=width)(RawFrame(0, 0, white, file.name))
    try:
        return GivenMask(name, file, lens, mask, view_of_mask(mask, camera_from_rig))
    except SourceError as error:
        raise SourceError(str(error), file) from error
