"""`reloc export`: a trajectory in the format and convention of another program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from reloc.build import find_mesh
from reloc.errors import ConfigError
from reloc.evaluate.association import associate
from reloc.evaluate.groundtruth import load_times
from reloc.evaluate.run import Run, load_run
from reloc.export.formats import ExportFormat
from reloc.export.formats import export as write_export
from reloc.export.map_points import points_of_mesh
from reloc.export.selection import DEFAULT_GAP_S, ExportedPoses, at_rate, fill_gaps, moved, resample, select
from reloc.geometry.calibration import load_calibration
from reloc.geometry.pose_text import POSE_FORM, parse_pose
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import load_tum
from reloc.mesh.load import load_mesh
from reloc.sources.timestamps import read_timestamps

# An image belongs to a pose if their times agree to this; recordings write both from one clock.
_IMAGE_TOLERANCE_NS = 1_000_000

EXAMPLES = """
reloc export out/desk --format tum --out desk.tum
reloc export out/desk --format colmap --out desk_model --points desk.obj
reloc export out/desk --format kitti --out desk_kitti --fill-gaps --world-from-map first
reloc export out/desk --format gltf --out desk.glb --rate 10
"""


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or a TUM file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write; a folder for kitti, colmap, bop and ros2bag.")],
    kind: Annotated[ExportFormat, typer.Option("--format", "-f", help="The format.")],
    verdicts: Annotated[
        str, typer.Option(help="Which poses, by their verdicts: TRACKED and LIMITED are believed, COASTING are predictions.")
    ] = "TRACKED,LIMITED",
    fill: Annotated[bool, typer.Option("--fill-gaps", help="Interpolate the frames between two such poses.")] = False,
    times: Annotated[
        Path | None,
        typer.Option(help="Poses at these times instead: a text file whose lines begin with seconds, or a recording."),
    ] = None,
    rate: Annotated[float | None, typer.Option(min=1e-6, max=1e9, help="Poses at this many a second instead.")] = None,
    max_gap: Annotated[
        float, typer.Option(min=0.0, help="Seconds between two poses beyond which nothing is interpolated and no line is drawn.")
    ] = DEFAULT_GAP_S,
    world_from_map: Annotated[
        str | None,
        typer.Option(
            help=f"Move the poses from the map's frame to another: `{POSE_FORM}`, a TUM file of one pose, or `first`: "
            "the frame of the first camera."
        ),
    ] = None,
    scale: Annotated[float, typer.Option(min=1e-12, help="Multiply positions by this, before the change of frame.")] = 1.0,
    camera: Annotated[Path | None, typer.Option(help="The calibration, where the run does not say it.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="A recording or its timestamps.txt, for the names of the images where the run lacks them.")
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="A mesh, or a folder with one, whose vertices become the points of the COLMAP model.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Write a trajectory in the format of another program, with the pose convention that it has.

    The frame is that of the map, the camera's axes are x right, y down, z forward. `colmap` and `bop` hold camera_from_world,
    all others world_from_camera.
    """
    loaded = load_run(run)
    poses = _select(loaded, verdicts, fill, max_gap, times, rate)
    poses = _named(poses, images)
    if camera is not None:
        lens = load_calibration(camera)
        poses = replace(poses, lens=lens, camera=lens.pinhole)
    target_from_map = _target_from_map(world_from_map, poses, scale)
    cloud = (
        None
        if points is None
        else points_of_mesh(load_mesh(find_mesh(points), require_color=False)).moved(target_from_map, scale)
    )
    written = write_export(moved(poses, target_from_map, scale), kind, out, points=cloud, gap_s=max_gap, overwrite=overwrite)
    counts = {verdict: poses.verdicts.count(verdict) for verdict in dict.fromkeys(poses.verdicts) if verdict}
    said = f" ({', '.join(f'{count} {verdict}' for verdict, count in counts.items())})" if counts else ""
    print(f"{len(poses)} poses{said} of {loaded.name} as {kind.value}: {', '.join(map(str, written))}")


def _select(run: Run, verdicts: str, fill: bool, max_gap_s: float, times: Path | None, rate_hz: float | None) -> ExportedPoses:
    chosen = frozenset(verdicts.replace(",", " ").upper().split())
    poses = select(run, chosen)
    if (times is not None) + (rate_hz is not None) + fill > 1:
        raise ConfigError("say one of --fill-gaps, --times and --rate: each of them decides at which times there are poses")
    if fill and run.frames is None:
        raise ConfigError(
            "gaps can only be filled where the frames are known: give the folder of a run, or use --times or --rate"
        )
    if fill and run.frames is not None:
        return fill_gaps(poses, run.frames, max_gap_s)
    if times is not None:
        return resample(poses, load_times(times), max_gap_s)
    return poses if rate_hz is None else resample(poses, at_rate(poses, rate_hz), max_gap_s)


def _named(poses: ExportedPoses, images: Path | None) -> ExportedPoses:
    """Return the poses with the names of the images that were taken at their times."""
    if images is None:
        return poses
    listed = read_timestamps(images / "timestamps.txt" if images.is_dir() else images)
    found = np.array([image.timestamp_ns for image in listed], dtype=np.int64)
    of_pose, of_image = associate(poses.trajectory.timestamps_ns, found, _IMAGE_TOLERANCE_NS)
    names = list(poses.names)
    for pose, image in zip(of_pose.tolist(), of_image.tolist(), strict=True):
        names[pose] = listed[image].path.name
    return replace(poses, names=tuple(names))


def _target_from_map(text: str | None, poses: ExportedPoses, scale: float) -> SE3:
    if text is None:
        return SE3.identity()
    if text == "first":
        first = poses.trajectory.pose(0)
        return SE3(first.rotation, scale * first.translation).inverse()
    if Path(text).is_file():
        trajectory = load_tum(text)
        if len(trajectory) != 1:
            raise ConfigError(f"a change of frame is one pose, found {len(trajectory)}", text)
        return trajectory.pose(0)
    return parse_pose(text)
