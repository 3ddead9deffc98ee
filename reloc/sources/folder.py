"""A folder as a source: bare images, or a recording with its timestamps, calibration and ground truth.

A recording is what the recorder writes: `NAME/{camera.yaml, timestamps.txt, images/, map/, groundtruth.txt}`. Everything
but the images may be missing, and the images may lie in the folder itself. Instead of images, timestamps.txt may list videos,
once for each of their frames.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from reloc.errors import SourceError
from reloc.geometry.calibration import load_calibration
from reloc.sources.decode import IMAGE_SUFFIXES
from reloc.sources.images import ImageFile, ImageSequence, evenly_timed
from reloc.sources.timestamps import read_timestamps
from reloc.sources.video import VIDEO_SUFFIXES
from reloc.sources.video_recording import VideoRecording

_log = logging.getLogger(__name__)


def open_folder(folder: Path, *, fps: float | None = None) -> ImageSequence | VideoRecording:
    """Return the images of a folder, or the frames of a recording, as a source.

    With `timestamps.txt` its images in its order; without, all images in natural order of their names, `fps` (default 30) a
    second.
    `camera.yaml` and `groundtruth.txt` come along where there are any.
    """
    timestamps = folder / "timestamps.txt"
    camera = folder / "camera.yaml"
    groundtruth = folder / "groundtruth.txt"
    timed = timestamps.is_file()
    if timed and fps is not None:
        _log.warning("The frame rate of %g is not used: the recording has its own timestamps [%s]", fps, timestamps)
    files = read_timestamps(timestamps) if timed else _untimed(folder, fps)
    of_videos = all(file.path.suffix.lower() in VIDEO_SUFFIXES for file in files)
    return (VideoRecording if of_videos else ImageSequence)(
        files,
        name=folder.resolve().name,
        clock="recording" if timed else "frame number",
        camera=load_calibration(camera) if camera.is_file() else None,
        groundtruth=groundtruth if groundtruth.is_file() else None,
        kind="recording" if timed else "images",
    )


def _untimed(folder: Path, fps: float | None) -> list[ImageFile]:
    images = folder / "images"
    return evenly_timed(list_images(images if images.is_dir() else folder), fps)


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder in natural order; hidden files are left out.

    Raises `SourceError` if there is none, or if two differ only in their suffix, since a frame must not come twice.
    """
    try:
        files = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")]
    except OSError as error:
        raise SourceError(f"A folder could not be read: {error.strerror or error}", folder) from error
    if not files:
        raise SourceError(f"A folder holds no images; {_suffixes()} are known", folder)
    images = natural_order(files)
    _refuse_twins(images, folder)
    return images


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Sort by name as a person would: `img2` before `img10`."""
    return sorted(paths, key=lambda path: (_natural_key(path.name), str(path)))


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts]


def _refuse_twins(images: list[Path], folder: Path) -> None:
    seen: dict[str, Path] = {}
    for path in images:
        twin = seen.setdefault(path.stem, path)
        if twin is not path:
            raise SourceError(
                f"A folder holds both {twin.name} and {path.name}, and a frame must not come twice. "
                f"Choose by a pattern such as “*{path.suffix}”",
                folder,
            )


def _suffixes() -> str:
    return ", ".join(sorted(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES))
