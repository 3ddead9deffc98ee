"""Pictures for people: how well the rendering of the map lies on the image. RGB, 8 bits, pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Exposure, Verdict

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

VERDICT_COLORS: dict[Verdict, tuple[int, int, int]] = {
    Verdict.TRACKED: (46, 184, 92),
    Verdict.LIMITED: (222, 226, 88),
    Verdict.COASTING: (255, 160, 20),
    Verdict.RELOCALISING: (112, 96, 228),
    Verdict.LOST: (226, 54, 54),
}
"""RGB, told apart by the colour-blind too: neighbours differ in lightness as well as in hue, and no other is blue."""

EDGE_COLOR = (0, 255, 140)
BACKGROUND = (24, 26, 30)

# A residual of a fifth of the whole range is drawn in full colour: a well-tracked frame stays pale, a slip glows.
RESIDUAL_FULL_SCALE = 0.2
# Edges of a rendering are drawn where the smoothed gradient is among its strongest; fewer pixels hide less of the image.
_EDGE_SHARE = 0.06
_DIVERGING_STEPS = 127


def as_bytes(intensities: NDArray[np.floating]) -> Picture:
    """Return a picture from intensities in 0..1 of any shape; what lies outside is clipped."""
    result: Picture = cv2.convertScaleAbs(np.maximum(intensities, 0.0), alpha=255.0)
    return result


def exposed(rendering: Picture, exposure: Exposure) -> Picture:
    """Return gain · rendering + bias (H, W, 3): the rendering as the camera would have exposed it, clipped like its image."""
    gain, bias = (np.broadcast_to(value, 3) for value in (exposure.gain, exposure.bias))
    affine = np.column_stack([np.diag(gain), bias * 255.0])
    return np.asarray(cv2.transform(rendering, affine), np.uint8)


def blend(image: Picture, rendering: Picture, covered: Mask, opacity: float = 0.5) -> Picture:
    """Return the image with the rendering laid over it where the map covers it; two contours show where the pose is off."""
    mixed = np.asarray(cv2.addWeighted(image, 1.0 - opacity, rendering, opacity, 0.0), np.uint8)
    return np.where(covered[..., None], mixed, image)


def checkerboard(image: Picture, rendering: Picture, covered: Mask, cell_px: int = 40) -> Picture:
    """Return squares of the image and of the rendering in turn: where contours break at the seams, the pose is off."""
    rows, columns = (np.arange(n) // cell_px for n in image.shape[:2])
    drawn = ((rows[:, None] + columns[None, :]) % 2 == 1) & covered
    return np.where(drawn[..., None], rendering, image)


def edge_overlay(image: Picture, rendering: Picture, covered: Mask) -> Picture:
    """Return the image, a little darker, with the strong edges of the rendering drawn on it in green."""
    edges = strong_edges(rendering, covered)
    result = np.asarray(cv2.convertScaleAbs(image, alpha=0.8), np.uint8)
    result[edges] = EDGE_COLOR
    return result


def strong_edges(rendering: Picture, covered: Mask) -> Mask:
    """Return (H, W) where the rendering has its strongest edges, one pixel wide; the rim of the map is not an edge."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rendering, cv2.COLOR_RGB2GRAY), (0, 0), 1.2)
    inside = cv2.erode(covered.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    if not inside.any():
        return np.zeros_like(covered)
    dx, dy = cv2.Sobel(grey, cv2.CV_16S, 1, 0), cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    strength = np.abs(dx) + np.abs(dy)
    threshold = float(np.quantile(strength[inside], 1.0 - _EDGE_SHARE))
    edges = np.asarray(cv2.Canny(dx, dy, threshold * 0.5, max(threshold, 1.0)), np.uint8)
    result: Mask = (edges > 0) & inside
    return result


def residual_picture(image: Picture, rendering: Picture, covered: Mask, exposure: Exposure) -> Picture:
    """Return image − (gain · rendering + bias): blue where the image is darker, red where it is brighter, white where they agree.

    What the map does not cover is dark. Full colour at a mean difference of `RESIDUAL_FULL_SCALE` over the three channels.
    """
    gain, bias = (np.broadcast_to(value, 3) for value in (exposure.gain, exposure.bias))
    steps = _DIVERGING_STEPS / RESIDUAL_FULL_SCALE / 3.0
    # One affine map over both pictures' channels: the scaled mean difference, moved to the middle of the colour table.
    weights = np.concatenate([np.full(3, steps / 255.0), gain * -steps / 255.0, [_DIVERGING_STEPS - steps * bias.sum()]])
    channels = np.concatenate([image, rendering], axis=2, dtype=np.float32)
    index = np.clip(np.rint(channels @ weights[:6].astype(np.float32) + np.float32(weights[6])), 0, 2 * _DIVERGING_STEPS)
    result = np.asarray(cv2.applyColorMap(index.astype(np.uint8), _diverging_table()), np.uint8)
    result[~covered] = BACKGROUND
    return result


def _diverging_table() -> Picture:
    """Return (256, 1, 3) colours from blue over white to red; the ends are those of Moreland's cool-warm map (2009)."""
    cool, white, warm = (np.array(c, np.float64) for c in ((59, 76, 192), (242, 242, 242), (180, 4, 38)))
    share = np.minimum(np.arange(-_DIVERGING_STEPS, _DIVERGING_STEPS + 2), _DIVERGING_STEPS)[:, None] / _DIVERGING_STEPS
    colors = np.where(share < 0, white + (cool - white) * -share, white + (warm - white) * share)
    return np.round(colors).astype(np.uint8)[:, None]


def side_by_side(pictures: Sequence[Picture], captions: Sequence[str], gap_px: int = 8) -> Picture:
    """Return the pictures in one row, each as high as the first, with its caption above it."""
    height = pictures[0].shape[0]
    bar = _bar_height(height)
    tiles = []
    for picture, caption in zip(pictures, captions, strict=True):
        width = max(1, round(picture.shape[1] * height / picture.shape[0]))
        tile = np.full((height + bar, width, 3), BACKGROUND, np.uint8)
        tile[bar:] = picture if picture.shape[0] == height else cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        _write_text(tile, caption, (bar // 3, bar), bar, (235, 235, 235))
        tiles += [tile, np.full((height + bar, gap_px, 3), BACKGROUND, np.uint8)]
    return np.concatenate(tiles[:-1], axis=1)


def with_badge(picture: Picture, verdict: Verdict, text: str = "") -> Picture:
    """Return a copy with the verdict burnt into the top-left corner in its colour, and `text` beside it."""
    result = picture.copy()
    bar = _bar_height(picture.shape[0])
    color = VERDICT_COLORS[verdict]
    width = _text_width(verdict, bar) + bar
    result[:bar] = (result[:bar] * 0.35).astype(np.uint8)
    result[:bar, :width] = color
    _write_text(result, verdict, (bar // 2, bar), bar, (255, 255, 255))
    _write_text(result, text, (width + bar // 3, bar), bar, (235, 235, 235))
    return result


def jpeg(picture: Picture, quality: int) -> bytes:
    """Return the picture as a JPEG file, `quality` 0..100."""
    good, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError(f"OpenCV cannot encode a picture of shape {picture.shape} as JPEG")
    return bytes(encoded)


def _bar_height(picture_height: int) -> int:
    return max(18, picture_height // 16)


def _text_width(text: str, bar: int) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, bar / 42, _stroke(bar))[0][0])


def _stroke(bar: int) -> int:
    return max(1, bar // 16)


def _write_text(picture: Picture, text: str, corner: tuple[int, int], bar: int, color: tuple[int, int, int]) -> None:
    """Write into a bar whose bottom-left corner is `corner` (x, y), in place. The font knows ASCII only."""
    known = text.encode("ascii", "replace").decode()
    origin = (corner[0], corner[1] - bar * 3 // 10)
    cv2.putText(picture, known, origin, cv2.FONT_HERSHEY_SIMPLEX, bar / 42, color, _stroke(bar), cv2.LINE_AA)
