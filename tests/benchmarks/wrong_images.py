"""Images that were not taken on a map: other places, whole and in pieces, mirror images, darkness, noise and plain walls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from reloc.frame import RawFrame
from tests.benchmarks.common import DATA

FOLDERS = {
    "kitchen": ("kitchen/query/images",),
    "castle": ("castle/map/images", "castle/query/images"),
    "blackdog": ("blackdog/images",),
}
_MOST_WHOLE = 50
_COUNTS = {"pieces": 220, "mirrored": 50, "black": 40, "noise": 60, "walls": 60}

Image = np.ndarray


def wrong_images(own: str, size: tuple[int, int], step: int = 1) -> Iterator[RawFrame]:
    """Yield about 500 images of width and height `size` that do not show the place `own`, or every `step`th; always the same."""
    made = _all(own, size, np.random.default_rng(7))
    for number, (kind, image) in enumerate(made):
        if number % step == 0:
            yield RawFrame(number, 0, np.ascontiguousarray(image), kind)


def _all(own: str, size: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, Image]]:
    photographs = {
        name: sorted(path for folder in folders for path in (DATA / folder).glob("*.jpg")) for name, folders in FOLDERS.items()
    }
    others = {name: paths for name, paths in photographs.items() if name != own and paths}
    for name, paths in others.items():
        for path in paths[:: 1 + len(paths) // _MOST_WHOLE]:
            yield f"{name}, whole", _piece(path, size, 1.0, rng)
    for number in range(_COUNTS["pieces"] if others else 0):
        name = list(others)[number % len(others)]
        yield f"{name}, a piece", _piece(_any(others[name], rng), size, rng.uniform(0.25, 0.9), rng)
    for _ in range(_COUNTS["mirrored"] if photographs.get(own) else 0):
        yield "its own, mirrored", _piece(_any(photographs[own], rng), size, 1.0, rng)[:, ::-1]
    for _ in range(_COUNTS["black"]):
        yield "black", _grey(rng.normal(rng.uniform(0, 8), rng.uniform(0, 4), size[::-1]))
    for _ in range(_COUNTS["noise"]):
        coarse = rng.uniform(0, 255, [side // int(rng.choice([1, 2, 4, 8, 16, 32])) + 2 for side in size[::-1]])
        yield "noise", _grey(cv2.resize(coarse.astype(np.float32), size, interpolation=cv2.INTER_CUBIC))
    for number in range(_COUNTS["walls"]):
        yield "plain walls", _grey(_wall(size, rng, corner=number % 2 == 1))


def _any(paths: Sequence[Path], rng: np.random.Generator) -> Path:
    return paths[int(rng.integers(len(paths)))]


def _piece(path: Path, size: tuple[int, int], share: float, rng: np.random.Generator) -> Image:
    """Return a random piece of a photograph, as large a `share` of it as its shape allows, enlarged or reduced to `size`."""
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    scale = share * min(image.shape[1] / size[0], image.shape[0] / size[1])
    width, height = (int(scale * side) for side in size)
    left, top = rng.integers(image.shape[1] - width + 1), rng.integers(image.shape[0] - height + 1)
    cut = image[top : top + height, left : left + width]
    return cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR)


def _wall(size: tuple[int, int], rng: np.random.Generator, *, corner: bool) -> Image:
    """Return a wall in uneven light, with or without a corner where it becomes brighter or darker."""
    v, u = np.mgrid[: size[1], : size[0]] / size[0]
    slopes = 60 * rng.normal(size=3)
    wall = rng.uniform(60, 200) + slopes[0] * u + slopes[1] * v + slopes[2] * (u - 0.5) ** 2
    step = rng.uniform(-80, 80) * (u + 0.3 * rng.normal() * v > rng.uniform(0.2, 0.8))
    return wall + corner * step + rng.normal(0, rng.uniform(0, 4), wall.shape)


def _grey(values: Image) -> Image:
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
