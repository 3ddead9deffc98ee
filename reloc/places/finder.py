"""From an image to where it may have been taken: retrieval among the known views, then their points and a robust pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reloc.frame import Frame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.guesses import PlaceGuess
from reloc.places.config import PlacesConfig
from reloc.places.features import Descriptors, FeatureExtractor, Features, as_floats, detect
from reloc.places.glance import glance, small_picture, turned
from reloc.places.index import PlaceIndex
from reloc.places.views import query_image

Array = NDArray[np.float64]

_FEATURES = 1000
# Of the nearest descriptors, so many vote for their views; the last of those found is the yardstick of what chance brings.
_VOTERS, _NEIGHBOURS, _PROBES = 8, 20, 6
_VIEWS = 12
# Views that merely look alike as a whole are tried last: where an image is blurred, votes may be of nothing.
_GLANCED = 3
# A match counts if it is closer than the next best of its view by this factor (Lowe's ratio test).
_RATIO = 0.85
_FEWEST_MATCHES = 6
# Pixels are worth this angle: what points may be off where a pose is right.
_INLIER_RAD = 0.0096
_ITERATIONS = (100, 1000)
# A pose with this many inliers in one view is hardly chance: the views that are left need not be looked at.
_PLENTY = 60


@dataclass(frozen=True, eq=False)
class Matches:
    """Features of an image and points of the map that look alike."""

    pixels: Array
    """(N, 2)."""
    points_in_world: Array
    """(N, 3)."""
    feature: NDArray[np.int64]
    """(N,) which feature of the image each is."""


class ViewMatcher(Protocol):
    """Finds out what an image and a known view have in common. `match_view` is one."""

    def __call__(self, index: PlaceIndex, features: Features, shape: tuple[int, int], view: int, /) -> Matches:
        """Return the matches of the features of an image of height and width `shape` with those of a view."""
        ...


class PlaceFinder:
    """Finds out where an image was taken, with no idea of where to look. Holds nothing of the images that it has seen.

    Args:
        index: The known views.
        config: How many poses to return, and what they must have in their favour.
        extract: Finds features of the kind that the index holds.
        match: Matches them with those of a view; by default `match_view`.
    """

    def __init__(
        self,
        index: PlaceIndex,
        config: PlacesConfig | None = None,
        extract: FeatureExtractor = detect,
        match: ViewMatcher | None = None,
    ) -> None:
        self._index, self._extract = index, extract
        self._config, self._match = config or PlacesConfig(), match or match_view

    @property
    def index(self) -> PlaceIndex:
        """The known views."""
        return self._index

    def guesses(self, frame: Frame) -> list[PlaceGuess]:
        """Return poses at which the frame may have been taken, the likeliest first.

        Where nothing speaks for any, this is the pose of the view that looks most like the frame, without support.
        """
        camera, image, valid = query_image(frame)
        features = self._extract(image, _FEATURES, valid)
        alike = similar_views(self._index, glance(*small_picture(image, valid)), _GLANCED)
        matches, poses = [], []
        for view in dict.fromkeys([*likely_views(self._index, features.descriptors, _VIEWS), *alike]):
            matches.append(self._match(self._index, features, image.shape, int(view)))
            pose, inliers = pose_from_matches(matches[-1], camera)
            if inliers >= _FEWEST_MATCHES:
                poses.append((pose, inliers))
            if inliers >= _PLENTY:
                break
        return self._ranked(poses, joined(matches), camera) or [PlaceGuess(self._index.pose(int(alike[0])), 0)]

    def _ranked(self, poses: Sequence[tuple[SE3, int]], matches: Matches, camera: PinholeCamera) -> list[PlaceGuess]:
        """Refine each pose by what all views say, and return the best that differ."""
        found: list[PlaceGuess] = []
        for pose, _ in sorted(poses, key=lambda one: -one[1]):
            if _is_known(pose, found, matches):
                continue
            guess = refined(pose, matches, camera)
            if not _is_known(guess.camera_from_world, found, matches):
                found.append(guess)
        found = [guess for guess in found if guess.support >= self._config.inliers]
        return sorted(found, key=lambda guess: -guess.support)[: self._config.guesses]


def similar_views(index: PlaceIndex, seen: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return (count,) the views that look most like a glance (288,) at an image, as a whole and in any of four turns."""
    likeness = (index.glances @ turned(seen).T).max(axis=1)
    return np.argsort(-likeness, kind="stable")[:count]


def likely_views(index: PlaceIndex, descriptors: Descriptors, count: int) -> NDArray[np.int64]:
    """Return (count,) the views that look most like an image with these descriptors (Q, 128), the likeliest first.

    Every descriptor votes for the views of its nearest neighbours, with the square of how much nearer they are than the last
    neighbour found: what looks like everything else (stripes, blank walls) hardly counts.
    """
    found, distance = index.cells.nearest(descriptors, _NEIGHBOURS, _PROBES)
    views = np.where(found >= 0, index.view[found], -1)[:, :_VOTERS]
    weight = np.maximum(distance[:, -1:] - distance[:, :_VOTERS], 0) ** 2
    # A descriptor votes once for a view, by its best neighbour there.
    repeated = (np.tril(views[:, :, None] == views[:, None, :], -1)).any(axis=2)
    counted = ~repeated & (views >= 0)
    votes = np.bincount(views[counted], weights=weight[counted], minlength=len(index))
    return np.argsort(-votes, kind="stable")[:count]


def match_view(index: PlaceIndex, features: Features, shape: tuple[int, int], view: int) -> Matches:
    """Return the matches of an image with one view that pass the ratio test, wherever in it they are."""
    descriptors, points = index.features_of(view)
    if len(descriptors) < 2:
        return no_matches()
    cosine = as_floats(features.descriptors) @ as_floats(descriptors).T
    best = np.argmax(cosine, axis=1)
    rows = np.arange(len(best))
    nearest = 2 - 2 * cosine[rows, best]
    cosine[rows, best] = -1
    second = 2 - 2 * cosine.max(axis=1)
    distinct = np.flatnonzero(nearest < _RATIO**2 * second)
    return Matches(features.pixels[distinct], points[best[distinct]].astype(np.float64), distinct)


def no_matches() -> Matches:
    """Return nothing."""
    return Matches(np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0, dtype=np.int64))


def joined(matches: Sequence[Matches]) -> Matches:
    """Return the matches of several views as one."""
    return Matches(
        np.concatenate([one.pixels for one in matches]),
        np.concatenate([one.points_in_world for one in matches]),
        np.concatenate([one.feature for one in matches]),
    )


def pose_from_matches(matches: Matches, camera: PinholeCamera) -> tuple[SE3, int]:
    """Return camera_from_world that most matches agree with, and how many do (P3P in LO-RANSAC, by poselib)."""
    if len(matches.pixels) < _FEWEST_MATCHES:
        return SE3.identity(), 0
    from poselib import estimate_absolute_pose  # late: only localisation needs it

    options = {"max_reproj_error": _INLIER_RAD * camera.fx, "min_iterations": _ITERATIONS[0], "max_iterations": _ITERATIONS[1]}
    found, info = estimate_absolute_pose(matches.pixels, matches.points_in_world, _poselib_camera(camera), options, {})
    return SE3.from_quaternion(found.q, found.t), int(info["num_inliers"])


def refined(pose: SE3, matches: Matches, camera: PinholeCamera) -> PlaceGuess:
    """Return a pose refined on all matches that agree with it, and how many features those are."""
    from poselib import refine_absolute_pose

    for _ in range(2):
        agreeing = _agreeing(pose, matches, camera)
        if np.count_nonzero(agreeing) < _FEWEST_MATCHES:
            break
        start = _poselib_pose(pose)
        options = {"loss_type": "TRUNCATED", "loss_scale": _INLIER_RAD * camera.fx}
        better, _ = refine_absolute_pose(
            matches.pixels[agreeing], matches.points_in_world[agreeing], start, _poselib_camera(camera), options
        )
        pose = SE3.from_quaternion(better.q, better.t)
    return PlaceGuess(pose, len(np.unique(matches.feature[_agreeing(pose, matches, camera)])))


def _agreeing(pose: SE3, matches: Matches, camera: PinholeCamera) -> NDArray[np.bool_]:
    in_camera = pose.apply(matches.points_in_world)
    ahead = in_camera[:, 2] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.linalg.norm(camera.project(in_camera) - matches.pixels, axis=1)
    return np.asarray(ahead & (error <= _INLIER_RAD * camera.fx))


def _is_known(pose: SE3, found: Sequence[PlaceGuess], matches: Matches) -> bool:
    """Return whether a pose is so near to one that was found that refining it would lead there."""
    depth = float(np.median(np.abs(pose.apply(matches.points_in_world)[:, 2])))
    return any(_are_near(pose, other.camera_from_world, depth) for other in found)


def _are_near(a: SE3, b: SE3, depth: float) -> bool:
    moved = float(np.linalg.norm(a.inverse().translation - b.inverse().translation))
    return moved < 0.03 * depth and rotation_angle(a, b) < np.radians(2.0)


def _poselib_camera(camera: PinholeCamera) -> dict[str, object]:
    # Its pixels may have their centre anywhere, as long as points and principal point agree.
    return {"model": "PINHOLE", "width": camera.width, "height": camera.height, "params": camera.intrinsics.tolist()}


def _poselib_pose(pose: SE3):  # type: ignore[no-untyped-def]  # poselib brings no types
    from poselib import CameraPose

    result = CameraPose()
    result.q, result.t = pose.wxyz, pose.translation
    return result
