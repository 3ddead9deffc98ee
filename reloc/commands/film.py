"""Films for people: how something changes, and a curve of how its error falls. As GIF or MP4."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import OutputError
from reloc.files import write_atomically
from reloc.sinks import pictures
from reloc.sinks.pictures import Picture

_SUFFIXES = (".gif", ".mp4")
_MOST_FRAMES = 60
_FRAMES_A_SECOND = 12
_HOLD_FRAMES = 18
"""So long the last picture stands."""
_CURVE, _AXIS, _TEXT = (0, 200, 120), (90, 94, 102), (235, 235, 235)


def check_film_path(path: Path) -> None:
    """Raise `OutputError` where the name asks for a format that is not written."""
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"an animation can be written as {', '.join(_SUFFIXES)}; found `{path.suffix}`", path)


def chosen_steps(count: int) -> list[int]:
    """Return which of so many steps are shown: evenly spread, the first and the last among them."""
    return [int(step) for step in np.unique(np.linspace(0, count - 1, _MOST_FRAMES).round())]


def write_film(path: Path, frames: Sequence[Picture]) -> None:
    """Write pictures of one size as GIF or MP4 after the name; the last one stands for a while."""
    held = [*frames, *[frames[-1]] * _HOLD_FRAMES]
    write_atomically(path, _gif(held) if path.suffix.lower() == ".gif" else _mp4(held))


def write_picture(path: Path, picture: Picture) -> None:
    """Write one picture as PNG or JPEG after the name."""
    write_atomically(path, cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


def curve(so_far: Sequence[float], all_of_them: Sequence[float], size: tuple[int, int]) -> Picture:
    """Return a picture (H, W, 3) of the given size (width, height): the whole curve faintly, what has been in full colour."""
    width, height = size
    result = np.full((height, width, 3), pictures.BACKGROUND, np.uint8)
    left, right, top, bottom = 56, width - 12, 16, height - 24
    highest = max(max(all_of_them), 1e-9)

    def places(values: Sequence[float]) -> NDArray[np.int32]:
        x = left + np.arange(len(values)) * (right - left) / max(len(all_of_them) - 1, 1)
        y = bottom - np.array(values) / highest * (bottom - top)
        return np.stack([x, y], axis=1).round().astype(np.int32)

    for share in (0.0, 0.5, 1.0):
        y = round(bottom - share * (bottom - top))
        cv2.line(result, (left, y), (right, y), _AXIS, 1)
        cv2.putText(result, f"{share * highest:.3f}", (6, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _TEXT, 1, cv2.LINE_AA)
    cv2.polylines(result, [places(all_of_them)], isClosed=False, color=_AXIS, thickness=1, lineType=cv2.LINE_AA)
    cv2.polylines(result, [places(so_far)], isClosed=False, color=_CURVE, thickness=2, lineType=cv2.LINE_AA)
    cv2.circle(result, places(so_far)[-1].tolist(), 4, _CURVE, -1, cv2.LINE_AA)
    return result


def _gif(frames: Sequence[Picture]) -> bytes:
    from PIL import Image

    # One palette for all, of the first and the last picture, or colours would flicker.
    palette = Image.fromarray(np.concatenate([frames[0], frames[-1]])).quantize(256)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=1000 // _FRAMES_A_SECOND, loop=0)
    return file.getvalue()


def _mp4(frames: Sequence[Picture]) -> bytes:
    import av

    file = io.BytesIO()
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(_FRAMES_A_SECOND))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "20"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
