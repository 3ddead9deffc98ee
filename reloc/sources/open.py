"""From what a user names to a source: the one place that knows all kinds of sources."""

from __future__ import annotations

import difflib
import glob
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from reloc.errors import SourceError
from reloc.files import exists, path_of
from reloc.sources.datasets import SCHEMES as DATASETS
from reloc.sources.datasets import named_dataset, open_dataset, recognised_dataset
from reloc.sources.decode import IMAGE_SUFFIXES
from reloc.sources.every import every_nth
from reloc.sources.folder import natural_order, open_folder
from reloc.sources.images import open_images
from reloc.sources.mask import with_mask
from reloc.sources.part import part_of
from reloc.sources.rig_folder import RIG_FILE, RigFolder
from reloc.sources.ros2 import open_topic
from reloc.sources.rosbag import holds_bag, open_bag
from reloc.sources.source import FrameSource
from reloc.sources.video import VIDEO_SUFFIXES, VideoFile


def _open_recorded(path: Path) -> FrameSource:
    """Open a `.db3` or `.bag` file: librealsense and ROS 2 both write `.db3`, librealsense and ROS 1 `.bag`."""
    from reloc.sources.realsense import is_realsense_recording, open_realsense_recording

    if is_realsense_recording(path):
        return open_realsense_recording(path)
    if path.suffix.lower() == ".bag":
        raise SourceError("A bag of ROS 1 cannot be read; convert it first: rosbags-convert --src FILE.bag --dst FOLDER", path)
    return open_bag(path)


# Sources named `scheme:rest` rather than by a path, such as live cameras (`realsense:SERIAL`, `webcam:0`, `rtsp://…`).
# Each gets the whole text. Add one here, and a line to `_EXPECTED`.
SCHEMES: Mapping[str, Callable[[str], FrameSource]] = {"ros": open_topic}

# Files that are neither images nor videos (`.mcap`, `.bag`, `.db3`). Add a reader by its suffix here, and a line to `_EXPECTED`.
CONTAINERS: Mapping[str, Callable[[Path], FrameSource]] = {".mcap": open_bag, ".db3": _open_recorded, ".bag": _open_recorded}

_EXPECTED = (
    "A recording or dataset, a folder of images, a video, a ROS 2 bag, an image or a pattern such as “frames/*.png” was expected"
)

# Two letters or more, so that C:\\ remains a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def open_source(
    spec: str,
    *,
    fps: float | None = None,
    mask: Path | None = None,
    every: int = 1,
    part: tuple[int, int | None] | None = None,
) -> FrameSource:
    """Return the source that `spec` names, judged by what is found there.

    `fps` times images that bring no timestamps (default 30 a second), `mask` says what to ignore (see `with_mask`), `part` where
    to begin and to end (see `part_of`), `every` keeps each n-th frame of that. Raises `SourceError` that says what was found and
    what to do instead.
    """
    try:
        source = _open(spec, fps)
    except OSError as error:  # a name that no file can have, or a folder that may not be entered
        raise SourceError(f"The source cannot be opened: {error.strerror or error}. {_EXPECTED}", spec[:200]) from error
    if part is not None:
        source = part_of(source, *part)
    if every != 1:
        source = every_nth(source, every)
    return source if mask is None else with_mask(source, mask)


def _open(spec: str, fps: float | None) -> FrameSource:
    path = path_of(spec)
    if not spec:
        raise SourceError(f"The source has no name. {_EXPECTED}")
    if path.is_dir():
        return _open_folder(path, fps)
    if path.is_file():
        return _open_file(path, fps)
    dataset = named_dataset(spec)
    if dataset is not None:
        return open_dataset(*dataset, spec, fps)
    scheme = _SCHEME.match(spec)
    if scheme and scheme[1].lower() in SCHEMES:
        return SCHEMES[scheme[1].lower()](spec)
    bag, _, topic = spec.rpartition("#")
    if bag and exists(path_of(bag)):
        return open_bag(path_of(bag), topic)
    if glob.has_magic(spec):
        return _open_pattern(str(path), fps)
    if scheme:
        known = ", ".join(sorted([*SCHEMES, *DATASETS]))
        raise SourceError(f"“{scheme[0]}” is no known kind of source (known: {known}). {_EXPECTED}", spec)
    raise SourceError(f"There is no such source. {_suggestion(path)} {_EXPECTED}", spec)


def _open_folder(folder: Path, fps: float | None) -> FrameSource:
    if (folder / RIG_FILE).is_file():
        return RigFolder(folder)
    dataset = recognised_dataset(folder)
    if dataset is not None:
        return open_dataset(dataset, folder, str(folder), fps)
    if (folder / "timestamps.txt").is_file() or _holds_images(folder / "images") or _holds_images(folder):
        return open_folder(folder, fps=fps)
    if holds_bag(folder):
        return open_bag(folder)
    below = [
        child.name for child in _children(folder) if child.is_dir() and (_holds_images(child) or _holds_images(child / "images"))
    ]
    found = f"did you mean {_listed(below)} in it?" if below else f"it holds {_listed([c.name for c in _children(folder)])}."
    raise SourceError(f"A folder holds no images: {found} {_EXPECTED}", folder)


def _open_file(path: Path, fps: float | None) -> FrameSource:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return open_images([path], fps=fps)
    if suffix in VIDEO_SUFFIXES:
        return VideoFile(path)
    if suffix in CONTAINERS:
        return CONTAINERS[suffix](path)
    if path.name in ("timestamps.txt", "camera.yaml"):
        raise SourceError(f"This file is part of a recording: name its folder, “{path.parent}”, instead", path)
    raise SourceError(f"A file of this kind (“{suffix or 'no suffix'}”) is not a known source. {_EXPECTED}", path)


def _open_pattern(pattern: str, fps: float | None) -> FrameSource:
    files = [Path(name) for name in glob.glob(pattern, recursive=True)]
    images = natural_order(path for path in files if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not images:
        found = "no files" if not files else f"no images, but {_listed([path.name for path in files])}"
        raise SourceError(f"A pattern matches {found}. {_EXPECTED}", pattern)
    return open_images(images, fps=fps, name=pattern)


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") for path in _children(folder))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _listed(names: list[str]) -> str:
    """Return the first few names as text for people."""
    if not names:
        return "nothing"
    shown = ", ".join(f"“{name}”" for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _suggestion(path: Path) -> str:
    """Return a guess at what a name that does not exist was meant to be."""
    present = path
    while not present.exists() and present != present.parent:
        present = present.parent
    missing = path.relative_to(present).parts[0] if path != present else ""
    close = difflib.get_close_matches(missing, [child.name for child in _children(present)], n=2)
    if close:
        return f"In “{present}” there is {_listed(close)}: did you mean that?"
    return f"“{present}” exists, but nothing like “{missing}” is in it."
