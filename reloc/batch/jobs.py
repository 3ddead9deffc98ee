"""From a plan to jobs: one for each sequence with each configuration, or for each piece of a long one."""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence as Listed
from dataclasses import dataclass, replace
from pathlib import Path

from reloc import __version__
from reloc.batch.fingerprint import files_of_map, fingerprint
from reloc.batch.plan import Configuration, Plan, Sequence
from reloc.config import dump_config, load_config
from reloc.errors import ConfigError, RelocError
from reloc.sources.datasets import SCHEMES
from reloc.sources.decode import IMAGE_SUFFIXES
from reloc.sources.open import open_source
from reloc.sources.video import VIDEO_SUFFIXES

GROUNDTRUTH = "groundtruth"
"""What stands for the ground truth that a recording brings along, as a first pose."""

_WHOLE = Configuration("")


@dataclass(frozen=True)
class Job:
    """One `reloc track`, and where its results go."""

    name: str
    out: Path
    """The folder of the results, which appears when the job is done."""
    folder: Path
    """Where it is started: what its paths are relative to."""
    arguments: tuple[str, ...]
    """Of `reloc track`, all but where to write."""
    digest: str
    """Of everything that the results depend on and that can be told cheaply."""
    frames: int | None
    """How many frames there are to track, where that is known."""


@dataclass(frozen=True)
class Task:
    """A sequence with a configuration: a job, or the pieces that make one."""

    name: str
    out: Path
    sequence: Sequence
    groundtruth: str | None
    """What its results are compared with."""
    jobs: tuple[Job, ...]
    """One, or the pieces in order of time."""
    overlap: int = 0
    """Frames that a piece has in common with the one before."""

    @property
    def is_cut(self) -> bool:
        """Whether the results of several pieces must be joined."""
        return len(self.jobs) > 1


@dataclass(frozen=True)
class _Brought:
    """What a source says before it is read; nothing is known of one that cannot be opened: its job will say why."""

    length: int | None = None
    groundtruth: str | None = None
    images: tuple[Path, ...] = ()


def make_tasks(plan: Plan, folder: Path, out: Path) -> list[Task]:
    """Return the tasks of a plan whose paths are relative to `folder`, with results in the folder `out`.

    Raises `ConfigError` for names that are used twice and settings that cannot be read.
    """
    folder, out = folder.resolve(), out.resolve()
    sequences = [_with_defaults(one, plan) for given in plan.sequences for one in expand(given, folder)]
    names = _names(sequences)
    configurations = plan.configurations or (_WHOLE,)
    _refuse_twins([one.name for one in configurations], "configurations")
    settings = {one.name: _settings(one, folder) for one in configurations}
    tasks = []
    for sequence, name in zip(sequences, names, strict=True):
        brought = _look(sequence, folder)
        for one in configurations:
            full = f"{name}-{_safe(one.name)}" if one.name else name
            tasks.append(_task(full, sequence, brought, one, settings[one.name], plan, folder, out))
    _refuse_twins([task.name for task in tasks], "sequences and configurations")
    return tasks


def expand(sequence: Sequence, folder: Path) -> list[Sequence]:
    """Return the sequences that a pattern of several recordings stands for; a pattern of images is one sequence."""
    if not glob.has_magic(sequence.source) or (folder / sequence.source).exists():
        return [sequence]
    found = sorted(glob.glob(sequence.source, root_dir=folder))
    recordings = [one for one in found if (folder / one).is_dir() or Path(one).suffix.lower() not in IMAGE_SUFFIXES]
    if found and not recordings:
        return [sequence]
    if not recordings:
        raise ConfigError(f"the pattern “{sequence.source}” matches nothing", folder)
    if sequence.name is not None and len(recordings) > 1:
        raise ConfigError(f"the pattern “{sequence.source}” matches {len(recordings)} recordings, which cannot share a name")
    return [replace(sequence, source=one) for one in recordings]


def _with_defaults(sequence: Sequence, plan: Plan) -> Sequence:
    unset = {key: value for key, value in vars(plan.defaults).items() if getattr(sequence, key) is None}
    return replace(sequence, **unset)


def _names(sequences: Listed[Sequence]) -> list[str]:
    """Return a name a sequence, made of as many of the last parts of its path as it takes to tell it from the others."""
    parts = [_parts(one) for one in sequences]
    for depth in range(1, max(map(len, parts)) + 1):
        names = [one.name or "-".join(path[-depth:]) for one, path in zip(sequences, parts, strict=True)]
        if len(set(names)) == len(names):
            break
    _refuse_twins(names, "sequences")
    return [_safe(name) for name in names]


def _parts(sequence: Sequence) -> list[str]:
    scheme, colon, rest = sequence.source.partition(":")
    path = Path(rest if colon and scheme.lower() in SCHEMES else sequence.source)
    last = path.stem if path.suffix in VIDEO_SUFFIXES else path.name
    return [part for part in (*path.parts[:-1], last) if part not in (path.anchor, "..")] or ["sequence"]


def _safe(name: str) -> str:
    """Return a name that every file system takes for a folder."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._-") or "sequence"


def _refuse_twins(names: Listed[str], what: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"two {what} are named {twice[0]}: give them names of their own with `name:`")


def _settings(configuration: Configuration, folder: Path) -> str:
    """Return all settings as text. Raises `ConfigError` for such that cannot be used: before the first job, not after it."""
    file = None if configuration.config is None else folder / configuration.config
    return dump_config(load_config(file, configuration.set))


def _look(sequence: Sequence, folder: Path) -> _Brought:
    spec = _under(folder, sequence.source)
    try:
        info = open_source(spec, fps=sequence.fps).info
    except RelocError:
        return _Brought()
    return _Brought(info.length, None if info.groundtruth is None else str(info.groundtruth), info.files)


def _under(folder: Path, spec: str) -> str:
    """Return a source as it is called from elsewhere."""
    scheme, colon, rest = spec.partition(":")
    return f"{scheme}:{folder / rest}" if colon and scheme.lower() in SCHEMES else str(folder / spec)


def _task(
    name: str,
    sequence: Sequence,
    brought: _Brought,
    configuration: Configuration,
    settings: str,
    plan: Plan,
    folder: Path,
    out: Path,
) -> Task:
    truth = sequence.groundtruth or brought.groundtruth
    arguments = _arguments(sequence, brought, configuration, folder)
    pieces = _pieces(plan, sequence, brought.length)
    if len(pieces) > 1 and sequence.init is not None and len(sequence.init.split()) > 1:
        raise ConfigError(
            f"{name} is cut into {len(pieces)} pieces, and one pose says nothing of where the others begin: give a trajectory as "
            "`init:`, such as an earlier one, or leave it out, so that each piece looks in the whole map"
        )
    files = _files(sequence, brought, folder)
    jobs = []
    for number, piece in enumerate(pieces):
        cut = () if piece is None else ("--frames", f"{piece[0]}:{piece[1]}")
        place = out / name if len(pieces) == 1 else out / f"{name}.pieces" / f"{number:04d}"
        title = name if len(pieces) == 1 else f"{name} {piece[0]}:{piece[1]}" if piece else name
        frames = _frames(piece, brought.length, sequence.every)
        jobs.append(Job(title, place, folder, (*arguments, *cut), _digest((*arguments, *cut), settings, files), frames))
    overlap = 0 if plan.chunks is None else plan.chunks.overlap
    return Task(name, out / name, sequence, None if truth is None else _under(folder, truth), tuple(jobs), overlap)


def _arguments(sequence: Sequence, brought: _Brought, configuration: Configuration, folder: Path) -> tuple[str, ...]:
    init = brought.groundtruth if sequence.init == GROUNDTRUTH else sequence.init
    if sequence.init == GROUNDTRUTH and init is None:
        init = GROUNDTRUTH  # the job fails with what is wrong with the source, or says that there is no such file
    options = {
        "--map": sequence.map,
        "--camera": sequence.camera,
        "--init": init,
        "--index": sequence.index,
        "--mask": sequence.mask,
        "--every": sequence.every,
        "--fps": sequence.fps,
        "--config": configuration.config,
    }
    given = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    # In full, so that a report finds the images wherever it is made.
    return (_under(folder, sequence.source), *given, *(word for one in configuration.set for word in ("--set", one)))


def _pieces(plan: Plan, sequence: Sequence, length: int | None) -> list[tuple[int, int] | None]:
    """Return the positions [first, last) of the pieces in the source, the overlap included; None is all of it."""
    if plan.chunks is None or length is None:
        return [None]
    if plan.chunks.overlap >= plan.chunks.frames:
        raise ConfigError(f"pieces of {plan.chunks.frames} frames cannot overlap by {plan.chunks.overlap}: make them longer")
    step, overlap = (value * (sequence.every or 1) for value in (plan.chunks.frames, plan.chunks.overlap))
    # A last piece shorter than half of one belongs to the piece before it.
    count = max(1, round(length / step))
    ends = [step * (number + 1) for number in range(count - 1)] + [length]
    return [None] if count == 1 else [(max(0, step * number - overlap), end) for number, end in enumerate(ends)]


def _frames(piece: tuple[int, int] | None, length: int | None, every: int | None) -> int | None:
    positions = length if piece is None else piece[1] - piece[0]
    return None if positions is None else -(-positions // (every or 1))


def _digest(arguments: tuple[str, ...], settings: str, files: str) -> str:
    """Return what changes when the request, the settings, the program or one of the files that count does."""
    return hashlib.sha256(json.dumps([arguments, settings, files, __version__]).encode()).hexdigest()


def _files(sequence: Sequence, brought: _Brought, folder: Path) -> str:
    """Return the fingerprint of all files that the results of a sequence depend on."""
    named = [folder / one for one in (sequence.camera, sequence.init, sequence.index, sequence.mask, brought.groundtruth) if one]
    spec = _under(folder, sequence.source)
    map_ = files_of_map(None if sequence.map is None else folder / sequence.map, spec)
    # What lists images, their times and the lens.
    source = Path(spec.rpartition(":")[2])
    lists = [source, *(source / name for name in ("timestamps.txt", "camera.yaml", "rgb.txt", "transforms.json"))]
    return fingerprint([*named, *map_, *lists, *brought.images])
