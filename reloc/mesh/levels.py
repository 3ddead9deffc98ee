"""The textures at every resolution, in one flat array for the compiled lookups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.mesh.cache import load_derived, save_derived
from reloc.mesh.textured_mesh import TexturedMesh

# The coarsest level of the largest texture; below it, all charts of an atlas run into one another.
COARSEST_SIDE_PX = 8
# A bilinear lookup then always finds its neighbours.
SHORTEST_SIDE_PX = 2
# Rows that are halved at a time, so that the float copy of a large texture stays small.
_BAND_ROWS = 512

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class TextureLevels:
    """M textures at L levels each. On every level the texture spans u, v in 0..1 from corner to corner.

    The texel (x, y) of level l of texture m is `texels[offset[m, l] + y * width[m, l] + x]`, and its centre lies at
    u = (x + 0.5) / width, v = (y + 0.5) / height. Hence the lookup is at x = u * width - 0.5 on every level.
    """

    texels: NDArray[np.uint8]
    """(N,) grey or (N, 3) RGB."""
    offset: NDArray[np.int64]
    """(M, L) where a level begins. Where a small texture has no coarser level, its last one stands again."""
    width: NDArray[np.int32]
    """(M, L), at least 2."""
    height: NDArray[np.int32]
    """(M, L), at least 2."""

    def image(self, texture: int, level: int) -> NDArray[np.uint8]:
        """Return one level as an image (H, W) or (H, W, 3), without copying."""
        start, width, height = self.offset[texture, level], self.width[texture, level], self.height[texture, level]
        texels = self.texels[start : start + int(width) * int(height)]
        return texels.reshape(height, width, *self.texels.shape[1:])


def texture_levels(mesh: TexturedMesh, *, grey: bool) -> TextureLevels:
    """Return the levels of a mesh's textures, grey (by the weights of cv2.COLOR_RGB2GRAY) or RGB; kept beside a cached mesh.

    Level l + 1 is the area average of level l at half the size, rounded up where that is odd, and rounds to the nearest even
    grey value once: rounding each level up from the one before would brighten the coarse ones. A mesh with colours at its
    vertices has no textures and gets tables with M = 0.
    """
    sizes = [(texture.shape[1], texture.shape[0]) for texture in mesh.textures]
    offset, width, height = level_tables(sizes)
    shape = (texel_count(sizes), *(() if grey else (3,)))
    name = "levels_grey" if grey else "levels_rgb"
    texels = load_derived(mesh.derived, name, shape, np.uint8)
    if texels is None:
        texels = np.empty(shape, np.uint8)
        levels = TextureLevels(texels, offset, width, height)
        for index, texture in enumerate(mesh.textures):
            _fill(levels, index, texture, grey)
        save_derived(mesh.derived, name, texels)
    return TextureLevels(texels, offset, width, height)


def level_tables(sizes: list[Size]) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Return `offset`, `width` and `height` (M, L) of textures of the given sizes (width, height)."""
    chains = [list(_halvings(size)) for size in sizes]
    count = max(map(len, chains), default=1)
    tables = np.zeros((3, len(sizes), count), np.int64)
    start = 0
    for row, chain in enumerate(chains):
        for level in range(count):
            width, height = chain[min(level, len(chain) - 1)]
            repeated = level >= len(chain)
            tables[:, row, level] = (tables[0, row, level - 1] if repeated else start, width, height)
            start += 0 if repeated else width * height
    return tables[0], tables[1].astype(np.int32), tables[2].astype(np.int32)


def texel_count(sizes: list[Size]) -> int:
    """Return how many texels all levels of textures of the given sizes (width, height) have together."""
    return sum(width * height for size in sizes for width, height in _halvings(size))


def _halvings(size: Size) -> Iterator[Size]:
    """Yield the sizes of the levels from the finest on."""
    width, height = (max(side, SHORTEST_SIDE_PX) for side in size)
    yield width, height
    while max(width, height) > COARSEST_SIDE_PX:
        width, height = (max((side + 1) // 2, SHORTEST_SIDE_PX) for side in (width, height))
        yield width, height


def _fill(levels: TextureLevels, index: int, texture: NDArray[np.uint8], grey: bool) -> None:
    """Write the levels of one texture into their places in `levels.texels`."""
    import cv2

    exact: NDArray[Any] = cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY) if grey else texture
    for level in range(levels.offset.shape[1]):
        target = levels.image(index, level)
        if level > 0 and levels.offset[index, level] == levels.offset[index, level - 1]:
            return
        if level > 0:
            exact = _area_average(exact, target.shape[1], target.shape[0])
        # Repeating a row or column, where a texture has but one, changes nothing at any u or v.
        wide = np.broadcast_to(exact, target.shape)
        target[...] = wide if exact.dtype == np.uint8 else np.rint(wide)


def _area_average(image: NDArray[Any], width: int, height: int) -> NDArray[np.float32]:
    """Return the image at another size as float32: each new texel is the mean of what it covers of the old ones."""
    import cv2

    # Only where two rows become exactly one do bands of an even number of rows not notice each other.
    halved = image.shape[0] == 2 * height
    band = _BAND_ROWS if halved else image.shape[0]
    result = np.empty((height, width, *image.shape[2:]), np.float32)
    for top in range(0, image.shape[0], band):
        rows = image[top : top + band].astype(np.float32)
        below = len(rows) // 2 if halved else height
        result[top // 2 : top // 2 + below] = cv2.resize(rows, (width, below), interpolation=cv2.INTER_AREA)
    return result
