"""Surfaces painted by chance: rich in detail at every scale, so that a camera finds something to hold on to near and far."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Paint = NDArray[np.float32]
"""(H, W, 3) RGB in 0..1, sometimes a little beyond."""
Painter = Callable[[np.random.Generator, int, int], Paint]
"""Takes random numbers, height and width in texels; returns the picture."""

_WORDS = ("KITCHEN", "EXIT", "RELOC", "No. 7", "coffee", "Tuesday", "42", "left", "lab B", "please", "north", "1889")


def cloud(rng: np.random.Generator, height: int, width: int, *, coarsest: float = 4.0, persistence: float = 0.75) -> Paint:
    """Return (H, W) noise of all scales around 0 with a deviation of 1; each octave is `persistence` times the one before.

    `coarsest` is the number of cells of the first octave across the shorter side.
    """
    result = np.zeros((height, width), dtype=np.float32)
    cells, weight = coarsest / min(height, width), np.float32(1.0)
    while True:
        rows, columns = (max(2, min(side, round(side * cells))) for side in (height, width))
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        result += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        if cells >= 0.5:
            break
        cells, weight = 2 * cells, weight * np.float32(persistence)
    normal: Paint = (result - result.mean()) / max(float(result.std()), 1e-6)
    return normal


def _shade(color: tuple[float, float, float], light: Paint) -> Paint:
    """Return `color` times 1 + `light`, which is (H, W)."""
    shaded: Paint = np.array(color, dtype=np.float32) * (1 + light[:, :, None])
    return shaded


def plain(color: tuple[float, float, float]) -> Painter:
    """A wall in one colour with hardly a trace of the roller: what trackers dread."""
    return lambda rng, height, width: _shade(color, np.float32(0.008) * cloud(rng, height, width, coarsest=2))


def plaster(color: tuple[float, float, float], contrast: float = 0.10) -> Painter:
    """Rough plaster with stains."""

    def paint(rng: np.random.Generator, height: int, width: int) -> Paint:
        """Grain on two scales, and stains where a third is high."""
        stains = np.clip(cloud(rng, height, width, coarsest=5, persistence=0.5) - 1, 0, None)
        grain = cloud(rng, height, width) + np.float32(0.8) * cloud(rng, height, width, coarsest=40, persistence=0.9)
        return _shade(color, np.float32(contrast) * grain - np.float32(0.15) * stains)

    return paint


def planks(color: tuple[float, float, float], count: int) -> Painter:
    """Boards along the width, each of its own tone, with grain and dark joints."""

    def paint(rng: np.random.Generator, height: int, width: int) -> Paint:
        """Boards between rows of texels, each cut in three pieces of their own tone that begin with a joint."""
        grain = cv2.resize(cloud(rng, height, max(width // 12, 2), coarsest=10, persistence=0.8), (width, height))
        light = np.float32(0.13) * grain + np.float32(0.06) * cloud(rng, height, width)
        rows = np.linspace(0, height, count + 1).round().astype(int)
        joint = max(1, height // (count * 30))
        for top, bottom in pairwise(rows.tolist()):
            ends = [0, *sorted(rng.integers(0, width, size=2).tolist()), width]
            for left, right in pairwise(ends):
                light[top:bottom, left:right] += np.float32(0.18 * rng.standard_normal())
                light[top:bottom, left : left + joint] = -0.7
            light[top : top + joint] = -0.7
        return _shade(color, light)

    return paint


def bricks(color: tuple[float, float, float], rows: int) -> Painter:
    """Bricks of many tones in light mortar."""

    def paint(rng: np.random.Generator, height: int, width: int) -> Paint:
        """Row by row on mortar, every other row half a brick along; the first and last bricks stick out and are cut off."""
        tall = height / rows
        columns = max(1, round(width / (2.6 * tall)))
        picture = _shade((0.72, 0.70, 0.66), np.float32(0.08) * cloud(rng, height, width))
        light = np.float32(0.14) * cloud(rng, height, width, coarsest=12, persistence=0.8)
        for row in range(rows):
            for column in range(-1, columns + 1):
                left = round((column + 0.5 * (row % 2) + 0.04) * width / columns)
                right = round((column + 0.5 * (row % 2) + 0.96) * width / columns)
                region = np.s_[round((row + 0.1) * tall) : round((row + 0.9) * tall), max(left, 0) : max(right, 0)]
                tone = np.array(color) * (1 + 0.22 * rng.standard_normal()) + 0.03 * rng.standard_normal(3)
                picture[region] = tone.astype(np.float32) * (1 + light[region][:, :, None])
        return picture

    return paint


def fabric(color: tuple[float, float, float], stripes: int) -> Painter:
    """Woven cloth with stripes of random colours and a coarse weave."""

    def paint(rng: np.random.Generator, height: int, width: int) -> Paint:
        """Stripes side by side, times a coarse and a fine weave."""
        tones = np.array(color) * (1 + 0.35 * rng.standard_normal((1, stripes, 1))) + 0.08 * rng.standard_normal((1, stripes, 3))
        bands = cv2.resize(tones.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
        weave = np.float32(0.12) * cloud(rng, height, width, coarsest=30, persistence=0.9)
        woven: Paint = bands * (1 + weave + np.float32(0.1) * cloud(rng, height, width))[:, :, None]
        return woven

    return paint


def books(shelves: int) -> Painter:
    """Rows of book spines of all widths and colours, with titles, over the dark of the shelf."""

    def paint(rng: np.random.Generator, height: int, width: int) -> Paint:
        """Shelf by shelf, spine beside spine from the left until the shelf is full."""
        picture = np.full((height, width, 3), 0.06, dtype=np.float32)
        shelf = height / shelves
        for row in range(shelves):
            left = 0
            while left < width:
                thick = max(2, round(float(rng.uniform(0.06, 0.22)) * shelf))
                top, bottom = round((row + rng.uniform(0.08, 0.35)) * shelf), round((row + 0.95) * shelf)
                _spine(rng, picture[top:bottom, left : left + thick])
                left += thick + int(rng.integers(0, 2))
        return picture * (1 + np.float32(0.08) * cloud(rng, height, width, coarsest=20))[:, :, None]

    return paint


def _spine(rng: np.random.Generator, region: Paint) -> None:
    """Paint one spine into a view of the picture."""
    region[:] = rng.uniform(0.05, 0.7) + 0.25 * rng.uniform(-1, 1, 3)
    height = region.shape[0]
    for _ in range(int(rng.integers(1, 5))):
        top = int(rng.integers(0, max(height - 1, 1)))
        region[top : top + max(1, height // 14), region.shape[1] // 6 : -max(1, region.shape[1] // 6)] = rng.uniform(0, 1, 3)


def framed_picture(rng: np.random.Generator, height: int, width: int) -> Paint:
    """A photograph of a made-up landscape in a frame, with shapes and a word or two."""
    sky = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = (1 - sky) * rng.uniform(0.3, 0.9, 3).astype(np.float32) + sky * rng.uniform(0.1, 0.7, 3).astype(np.float32)
    picture = picture * (1 + np.float32(0.18) * cloud(rng, height, width)[:, :, None])
    for layer in range(3):
        ridge = height * (0.35 + 0.2 * layer) + 0.08 * height * cloud(rng, 1, width, coarsest=0.01, persistence=0.7)[0]
        land = np.arange(height)[:, None] > ridge[None]
        texture = np.float32(0.25) * cloud(rng, height, width, coarsest=8, persistence=0.8)
        picture = np.where(land[:, :, None], _shade(tuple(rng.uniform(0.08, 0.7, 3)), texture), picture)
    picture = _scattered(rng, picture, shapes=6, words=2)
    border = max(2, min(height, width) // 18)
    framed = cv2.copyMakeBorder(
        picture[border:-border, border:-border], *(border,) * 4, cv2.BORDER_CONSTANT, value=rng.uniform(0.02, 0.35, 3).tolist()
    )
    return np.asarray(framed, dtype=np.float32)


def poster(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Large type and flat shapes on coloured paper."""
    picture = _shade(tuple(rng.uniform(0.5, 0.95, 3)), np.float32(0.05) * cloud(rng, height, width))
    return _scattered(rng, picture, shapes=12, words=9)


def _scattered(rng: np.random.Generator, picture: Paint, *, shapes: int, words: int) -> Paint:
    """Return a picture with discs, triangles and words on it."""
    canvas = np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)  # OpenCV writes on eight bits only
    height, width = picture.shape[:2]
    size = min(height, width)
    for number in range(shapes):
        center = rng.uniform((0, 0), (width, height))
        radius = float(rng.uniform(0.03, 0.16)) * size
        color = rng.integers(0, 256, 3).tolist()
        if number % 2:
            cv2.circle(canvas, tuple(center.round().astype(int).tolist()), round(radius), color, -1, cv2.LINE_AA)
        else:
            corners = center + radius * rng.standard_normal((3, 2))
            cv2.fillPoly(canvas, [corners.round().astype(np.int32)], color, cv2.LINE_AA)
    for _ in range(words):
        at = rng.uniform((0, 0.1 * height), (0.75 * width, height)).round().astype(int).tolist()
        scale = float(rng.uniform(0.15, 0.9)) * size / 180
        word = _WORDS[int(rng.integers(len(_WORDS)))]
        color = rng.integers(0, 256, 3).tolist()
        cv2.putText(canvas, word, tuple(at), cv2.FONT_HERSHEY_DUPLEX, scale, color, max(1, round(2 * scale)), cv2.LINE_AA)
    return canvas.astype(np.float32) / np.float32(255)


def globe(rng: np.random.Generator, height: int, width: int) -> Paint:
    """Land and sea, with a graticule."""
    relief = cloud(rng, height, width, coarsest=3, persistence=0.65)
    sea = _shade((0.12, 0.30, 0.55), np.float32(0.15) * relief)
    land = _shade((0.55, 0.48, 0.22), np.float32(0.35) * cloud(rng, height, width, coarsest=10, persistence=0.8))
    picture = np.where(relief[:, :, None] > 0.1, land, sea)
    picture[:: max(1, height // 9)] *= np.float32(0.55)
    picture[:, :: max(1, width // 18)] *= np.float32(0.55)
    return np.asarray(picture, dtype=np.float32)
