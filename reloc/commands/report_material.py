"""What a report shows, from where the runs say that it was: ground truth, map and images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from reloc.build import find_lens, find_mesh, make_renderer
from reloc.commands.progress import counting_bar
from reloc.config import RelocConfig
from reloc.errors import MeshError, RelocError, SourceError, TrajectoryError
from reloc.evaluate.groundtruth import at_times, load_groundtruth
from reloc.evaluate.inputs import RunInputs, cameras_of, inputs_of
from reloc.evaluate.judge import Rules, judge
from reloc.evaluate.run import Run
from reloc.geometry.trajectory import Trajectory
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.report.pictures import page_pictures, wanted_frames
from reloc.report.subject import MapView, ShownFrame, Subject
from reloc.report.topview import top_view, up_direction
from reloc.report.video import write_video
from reloc.report.worst import worst_frames
from reloc.sources.open import open_source
from reloc.sources.source import FrameSource
from reloc.undistort import Undistorter

_LARGEST_SETTINGS = 1 << 18


@dataclass(frozen=True)
class Material:
    """What a person says of where things are; None: where the runs say."""

    groundtruth: Path | None = None
    source: str | None = None
    map: Path | None = None
    worst: int = 6


@dataclass(frozen=True, eq=False)
class LoadedMap:
    """A map, and what draws it once somebody asks."""

    mesh: TexturedMesh

    @cached_property
    def renderer(self) -> Renderer:
        """The renderer of the map."""
        return make_renderer(RelocConfig(), self.mesh)


def gather(runs: Sequence[Run], material: Material, rules: Rules) -> tuple[list[Subject], list[MapView]]:
    """Return what the page shows of each run and of each map. What cannot be found is said there, and no error."""
    subjects = [_subject(run, material, rules) for run in runs]
    views: list[MapView] = []
    files = _map_files(runs, material)
    for map_file, group in groupby(range(len(runs)), lambda i: files[i]):
        places = tuple(group)
        loaded, missing = _load_map(map_file)
        here = [subjects[i] for i in places]
        views.append(_view(loaded, missing, places, here))
        for i in places:
            subjects[i] = _with_pictures(subjects[i], material, loaded, missing)
    return subjects, views


def _subject(run: Run, material: Material, rules: Rules) -> Subject:
    truth = _groundtruth(run, material, rules.tolerance_s)
    judged = None if truth is None else judge(run, truth, rules)
    worst = () if run.frames is None else worst_frames(run.frames, truth, rules.tolerance_s, material.worst)
    return Subject(run, judged, worst, settings=_settings(run))


def _groundtruth(run: Run, material: Material, tolerance_s: float) -> Trajectory | None:
    """Return the frames that count: those that the run was given, if it says so."""
    inputs = inputs_of(run.summary)
    file = material.groundtruth
    if file is None and inputs is not None and inputs.groundtruth is not None and Path(inputs.groundtruth).is_file():
        file = Path(inputs.groundtruth)
    if file is None:
        return None
    truth = load_groundtruth(file)
    if inputs is None or run.frames is None or (inputs.every == 1 and inputs.part is None):
        return truth
    return at_times(truth, run.frames.timestamps_ns, tolerance_s)


def _settings(run: Run) -> str:
    """Return the text of the run's config.yaml, empty where there is none that can be read."""
    try:
        with ((run.folder or Path()) / "config.yaml").open("rb") as file:
            return file.read(_LARGEST_SETTINGS).decode("utf-8", "replace") if run.folder is not None else ""
    except OSError:
        return ""


def _map_files(runs: Sequence[Run], material: Material) -> list[str | None]:
    """Return the mesh file of each run; one that does not say belongs to that of the others if they have but one."""
    if material.map is not None:
        return [str(material.map)] * len(runs)
    said = [None if inputs is None else inputs.map for inputs in (inputs_of(run.summary) for run in runs)]
    known = {file for file in said if file is not None}
    only = known.pop() if len(known) == 1 else None
    return [file or only for file in said]


def _load_map(file: str | None) -> tuple[LoadedMap | None, str]:
    """Return the map, or None and why there is none."""
    if file is None:
        return None, "the run does not say which it was: name it with --map"
    try:
        return LoadedMap(load_mesh(find_mesh(Path(file)))), ""
    except RelocError as error:
        return None, str(error)


def _view(loaded: LoadedMap | None, missing: str, places: tuple[int, ...], subjects: Sequence[Subject]) -> MapView:
    shown = [subject.run.trajectory for subject in subjects if len(subject.run.trajectory)]
    truths = [subject.judged.evaluation.groundtruth for subject in subjects if subject.judged is not None]
    if loaded is None or not shown:
        return MapView(None, missing or "no pose is believed, so there is no path to show", places)
    # Poses of the ground truth are there even where a run was lost.
    every = [*shown, *truths[:1]]
    up = up_direction(np.concatenate([one.quaternions for one in every]))
    view = top_view(loaded.mesh, np.concatenate([one.translations for one in every]), up)
    return MapView(view, "", places, truths[0] if truths else None)


def _with_pictures(subject: Subject, material: Material, loaded: LoadedMap | None, missing: str) -> Subject:
    """Return the subject with the pictures of its worst frames, or why there are none."""
    if not subject.worst:
        return subject
    if loaded is None:
        return replace(subject, missing_pictures=missing)
    try:
        return replace(subject, shown=_shown(subject, material, loaded))
    except RelocError as error:
        return replace(subject, missing_pictures=str(error))


def _shown(subject: Subject, material: Material, loaded: LoadedMap) -> tuple[ShownFrame, ...]:
    frames = subject.run.frames
    assert frames is not None
    by_time = {int(frames.timestamps_ns[one.row]): one for one in subject.worst}
    shown = []
    with images_of(subject.run, material) as (source, undistorter, progress):
        for raw in wanted_frames(source, tuple(by_time), progress):
            frame = by_time[raw.timestamp_ns]
            pictures = page_pictures(raw, frames, frame.row, undistorter, loaded.renderer)
            shown.append(ShownFrame(frame, pictures))
        if not shown:
            raise RelocError(f"none of the {len(by_time)} frames is among the images at these times", source.info.name)
    return tuple(shown)


@contextmanager
def images_of(run: Run, material: Material) -> Iterator[tuple[FrameSource, Undistorter, Callable[[int], None]]]:
    """Open the images of a run, whichever of them it was given, and a progress bar that is told how many were read."""
    inputs = inputs_of(run.summary)
    if inputs is None and material.source is None:
        raise SourceError("the run does not say where its images are: name them with --source")
    inputs = inputs or RunInputs(material.source or "", "")
    mask = None if inputs.mask is None else Path(inputs.mask)
    with (
        open_source(material.source or inputs.source, fps=inputs.fps, mask=mask) as source,
        counting_bar(source.info.length, f"images of {run.name}") as progress,
    ):
        _, lens = cameras_of(run.summary)
        yield source, Undistorter(lens or find_lens(None, source.info)), progress


def film(run: Run, material: Material, out: Path) -> int:
    """Write the video of a run and return how many frames it has."""
    if run.frames is None:
        raise TrajectoryError(f"{run.name} is a bare trajectory: a video needs the folder of a run with its frames.jsonl")
    loaded, missing = _load_map(_map_files([run], material)[0])
    if loaded is None:
        raise MeshError(f"there is no map to lay over the images: {missing}")
    with images_of(run, material) as (source, undistorter, progress):
        return write_video(out, source, run.frames, undistorter, loaded.renderer, progress)
