"""Photographs of calibration boards, made by casting a ray through each quarter of a pixel of a known lens."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.calibrate.board import Board
from reloc.calibrate.printing import pattern
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3, rotation_exp

_SQUARE_PX = 32
_RIM_SQUARES = 1


class Photographer:
    """Takes pictures of one board with one lens."""

    def __init__(self, lens: LensCamera, board: Board) -> None:
        self._board = board
        paper = cv2.copyMakeBorder(pattern(board, _SQUARE_PX), *(_RIM_SQUARES * _SQUARE_PX,) * 4, cv2.BORDER_CONSTANT, value=255)
        self._paper = paper.astype(np.float32)
        self._rays = _quarter_rays(lens)

    def take(self, camera_from_board: SE3) -> NDArray[np.uint8]:
        """A grey photograph; what is not board is a darker grey."""
        return np.mean([self._cast(rays, camera_from_board.inverse()) for rays in self._rays], axis=0).round().astype(np.uint8)

    def _cast(self, rays: NDArray[np.float64], board_from_camera: SE3) -> NDArray[np.float32]:
        directions = rays @ board_from_camera.rotation.T
        with np.errstate(all="ignore"):
            distance = -board_from_camera.translation[2] / directions[..., 2]
            hits = board_from_camera.translation[:2] + distance[..., None] * directions[..., :2]
            hits[~(distance > 0)] = -1e3
        # The board begins at its first square's outer corner, a pixel at its centre.
        at = (hits / self._board.square_m + _RIM_SQUARES) * _SQUARE_PX - 0.5
        at = np.nan_to_num(at, nan=-1e3).clip(-1e4, 1e4).astype(np.float32)
        return cv2.remap(self._paper, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=90)


@lru_cache(maxsize=4)
def _quarter_rays(lens: LensCamera) -> list[NDArray[np.float64]]:
    """Rays through the middles of the four quarters of each pixel: between those of neighbours a lens is as good as linear."""
    x, y = np.meshgrid(np.arange(-1.0, lens.width + 1), np.arange(-1.0, lens.height + 1))
    rays = lens.unproject(np.stack([x, y], axis=-1))
    inner, before, after = slice(1, -1), slice(0, -2), slice(2, None)
    return [
        rays[inner, inner] + 0.25 * (rays[inner, beside] - rays[inner, inner]) + 0.25 * (rays[above, inner] - rays[inner, inner])
        for beside in (before, after)
        for above in (before, after)
    ]


def poses(
    board: Board, count: int, *, depth_m: tuple[float, float], reach: float, tilt_rad: float = 0.6, seed: int = 0
) -> list[SE3]:
    """Camera-from-board poses: the board's middle anywhere within `reach` (tangent of the angle) and turned any way."""
    rng = np.random.default_rng(seed)
    middle = np.array([board.columns, board.rows, 0.0]) * board.square_m / 2
    made = []
    for _ in range(count):
        depth = rng.uniform(*depth_m)
        at = np.array([*rng.uniform(-reach, reach, 2) * (1.0, 0.75), 1.0]) * depth
        rotation = rotation_exp([*rng.uniform(-tilt_rad, tilt_rad, 2), rng.uniform(-0.4, 0.4)])
        made.append(SE3(rotation, at - rotation @ middle))
    return made


def photographs(lens: LensCamera, board: Board, camera_from_board: list[SE3]) -> Iterator[RawFrame]:
    photographer = Photographer(lens, board)
    for i, pose in enumerate(camera_from_board):
        yield RawFrame(i, i * 100_000_000, photographer.take(pose), f"{i:03d}.png")
