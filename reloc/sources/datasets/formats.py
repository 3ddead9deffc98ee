"""The kinds of datasets, and how a folder is found to be one."""

from __future__ import annotations

import logging
from pathlib import Path

from reloc.errors import SourceError
from reloc.files import path_of
from reloc.sources.datasets import arkitscenes, colmap, euroc, kitti, nerfstudio, numbered, tum_rgbd
from reloc.sources.datasets.dataset import DatasetFormat
from reloc.sources.images import ImageSequence

_FORMATS = (
    DatasetFormat("tum", "TUM RGB-D", tum_rgbd.recognises, tum_rgbd.read),
    DatasetFormat("7scenes", "7-Scenes", numbered.recognises_seven, numbered.read_seven),
    DatasetFormat("12scenes", "12-Scenes", numbered.recognises_twelve, numbered.read_twelve),
    DatasetFormat("euroc", "EuRoC MAV", euroc.recognises, euroc.read),
    DatasetFormat("kitti", "KITTI odometry", kitti.recognises, kitti.read),
    DatasetFormat("nerfstudio", "nerfstudio", nerfstudio.recognises, nerfstudio.read),
    DatasetFormat("arkitscenes", "ARKitScenes", arkitscenes.recognises, arkitscenes.read),
    DatasetFormat("colmap", "COLMAP project", colmap.recognises, colmap.read),
)

SCHEMES = tuple(one.scheme for one in _FORMATS)
"""What may stand before the colon in `scheme:FOLDER`."""

# What makes a folder one of our own recordings, whatever else is in it.
_OURS = "timestamps.txt"

_log = logging.getLogger(__name__)


def named_dataset(spec: str) -> tuple[DatasetFormat, Path] | None:
    """Return what `scheme:FOLDER` names, or None for any other text. Raises `SourceError` where there is no such folder."""
    scheme, colon, rest = spec.partition(":")
    found = next((one for one in _FORMATS if colon and one.scheme == scheme.lower()), None)
    if found is None:
        return None
    folder = path_of(rest)
    if not folder.is_dir():
        raise SourceError(f"“{scheme}:” is to be followed by a folder with a dataset of the kind {found.title}", folder)
    return found, folder


def recognised_dataset(folder: Path) -> DatasetFormat | None:
    """Return the kind of dataset that a folder is, or None. Raises `SourceError` where it could be two."""
    if (folder / _OURS).is_file():
        return None
    found = [one for one in _FORMATS if one.recognises(folder)]
    if len(found) > 1:
        ways = " or ".join(f"{one.scheme}:{folder} ({one.title})" for one in found)
        raise SourceError(f"The folder can be read in several ways; say which: {ways}", folder)
    return found[0] if found else None


def open_dataset(kind: DatasetFormat, folder: Path, spec: str, fps: float | None) -> ImageSequence:
    """Return the frames of a dataset as a source; `spec` is what names it, also as a ground truth."""
    if fps is not None:
        _log.warning("The frame rate of %g is not used: a dataset has its own times [%s]", fps, folder)
    dataset = kind.read(folder)
    return ImageSequence(
        dataset.files,
        name=folder.resolve().name,
        clock=dataset.clock,
        camera=dataset.camera,
        groundtruth=None if dataset.poses is None else Path(spec),
        kind=kind.title,
    )
