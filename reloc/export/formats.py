"""The formats that a trajectory can be exported to, and what writes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from reloc.errors import OutputError
from reloc.export.bop import bop_files
from reloc.export.colmap import colmap_files
from reloc.export.csv_file import csv_file
from reloc.export.euroc import euroc_file
from reloc.export.gltf import glb_file, gltf_file
from reloc.export.json_file import json_file
from reloc.export.kitti import kitti_files
from reloc.export.map_points import ColoredPoints
from reloc.export.ply import ply_file
from reloc.export.ros import write_bag, write_mcap
from reloc.export.selection import ExportedPoses
from reloc.export.tum import tum_file
from reloc.files import write_atomically


class ExportFormat(StrEnum):
    """What `reloc export` writes."""

    TUM = "tum"
    """A text file: seconds, position, quaternion x y z w."""
    KITTI = "kitti"
    """A folder with poses.txt and times.txt."""
    EUROC = "euroc"
    """A CSV file: nanoseconds, position, quaternion w x y z."""
    COLMAP = "colmap"
    """A folder with cameras.txt, images.txt, points3D.txt."""
    BOP = "bop"
    """A folder with scene_gt.json, scene_camera.json, results.csv; millimetres."""
    CSV = "csv"
    """A table with verdicts, scores and standard deviations."""
    JSON = "json"
    """Everything that is known, with its conventions."""
    ROS2BAG = "ros2bag"
    """A rosbag2 folder."""
    MCAP = "mcap"
    """A file with ROS 2 messages."""
    PLY = "ply"
    """A triangle mesh of the path and the cameras."""
    GLTF = "gltf"
    """Lines and a camera that flies along them; binary where the path ends in .glb."""


_FILES: Mapping[ExportFormat, Callable[[ExportedPoses], str | bytes]] = {
    ExportFormat.TUM: tum_file,
    ExportFormat.EUROC: euroc_file,
    ExportFormat.CSV: csv_file,
    ExportFormat.JSON: json_file,
}
_FOLDERS: Mapping[ExportFormat, Callable[[ExportedPoses], dict[str, str]]] = {
    ExportFormat.KITTI: kitti_files,
    ExportFormat.BOP: bop_files,
}


def export(
    poses: ExportedPoses,
    kind: ExportFormat,
    out: Path,
    *,
    points: ColoredPoints | None = None,
    gap_s: float = 0.5,
    overwrite: bool = False,
) -> list[Path]:
    """Write the poses and return the files or folders that were made; `points` are for COLMAP, `gap_s` breaks drawn paths.

    Raises `OutputError` where something is in the way (unless `overwrite`), cannot be written, or is not known of the run.
    """
    match kind:
        case ExportFormat.ROS2BAG | ExportFormat.MCAP:
            # A folder is never replaced: nobody can tell what else is in it.
            _refuse_existing([out], overwrite=overwrite and not out.is_dir())
            (write_mcap if kind is ExportFormat.MCAP else write_bag)(poses, out)
            return [out]
        case ExportFormat.COLMAP:
            contents: Mapping[Path, str | bytes] = _inside(out, colmap_files(poses, points))
        case ExportFormat.PLY:
            contents = {out: ply_file(poses, gap_s)}
        case ExportFormat.GLTF:
            contents = {out: glb_file(poses, gap_s) if out.suffix.lower() == ".glb" else gltf_file(poses, gap_s)}
        case ExportFormat.KITTI | ExportFormat.BOP:
            contents = _inside(out, _FOLDERS[kind](poses))
        case _:
            contents = {out: _FILES[kind](poses)}
    _refuse_existing(list(contents), overwrite=overwrite)
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def _inside(folder: Path, files: Mapping[str, str]) -> dict[Path, str | bytes]:
    return {folder / name: content for name, content in files.items()}


def _refuse_existing(paths: list[Path], *, overwrite: bool) -> None:
    for path in paths:
        if path.exists() and not overwrite:
            raise OutputError("there is something already: name another place, or say --overwrite to replace a file", path)
