"""From views of a board to a lens, by OpenCV's calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.calibrate.views import View
from reloc.errors import CalibrationError
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3, rotation_exp

Array = NDArray[np.float64]

FEWEST_VIEWS = 6
# A view that fits this many times worse than the median of all is a blurred, bent or misread one,
_OUTLIER = 3.0
# unless it fits well all the same.
_GOOD_PX = 0.3
_MOST_ROUNDS = 4
# At most this share of the views is given up: if more of them do not fit, it is the model or the board that is wrong.
_MOST_DROPPED = 0.25

_CRITERIA = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 200, 1e-10)
_FLAGS: dict[LensModel, int] = {
    LensModel.PINHOLE: cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST,
    LensModel.SIMPLE_RADIAL: cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_ASPECT_RATIO,
    LensModel.RADIAL: cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_ASPECT_RATIO,
    LensModel.OPENCV: cv2.CALIB_FIX_K3,
    LensModel.FULL_OPENCV: cv2.CALIB_RATIONAL_MODEL,
}
_FISHEYE_UNKNOWNS = 8
_FISHEYE_FLAGS = cv2.CALIB_RECOMPUTE_EXTRINSIC | cv2.CALIB_FIX_SKEW


@dataclass(frozen=True, eq=False)
class SolvedView:
    """A view with what the calibration found out about it."""

    view: View
    camera_from_board: SE3
    error_px: float
    """Root mean square distance between the corners as seen and as projected."""

    @property
    def tilt_rad(self) -> Array:
        """(2,) how far the board's normal leans to the right and downwards from the optical axis."""
        normal = self.camera_from_board.rotation[:, 2]
        normal = normal * np.sign(normal[2])
        return np.asarray(np.arctan2(normal[:2], normal[2]))


@dataclass(frozen=True, eq=False)
class Solution:
    """A calibrated lens and how well it fits."""

    camera: LensCamera
    views: Sequence[SolvedView]
    dropped: Sequence[View]
    """Views that did not fit the others."""
    focal_sigma: float
    """Standard deviation of the focal length, relative to it, as far as the noise of the corners tells."""

    @property
    def error_px(self) -> float:
        """Root mean square reprojection error over all corners."""
        counts = np.array([len(one.view.detection.pixels) for one in self.views])
        errors = np.array([one.error_px for one in self.views])
        return float(np.sqrt((counts * errors**2).sum() / counts.sum()))


def solve(views: Sequence[View], size: tuple[int, int], model: LensModel) -> Solution:
    """Return the lens of a camera with images of `size` (width, height) from views of a board.

    Views that fit much worse than the others are left out. Raises `CalibrationError` where there are too few, or no lens fits.
    """
    kept, dropped = list(views), list[View]()
    for _ in range(_MOST_ROUNDS):
        _check_enough(kept, len(views))
        solution = _calibrated(kept, size, model, dropped)
        bad = _outliers(solution, int(_MOST_DROPPED * len(views)) - len(dropped))
        if not bad:
            break
        dropped += [one.view for one in bad]
        kept = [view for view in kept if not any(view is one.view for one in bad)]
    return solution


def _check_enough(kept: Sequence[View], given: int) -> None:
    if len(kept) < FEWEST_VIEWS:
        usable = "" if len(kept) == given else f", of which {len(kept)} fit together"
        raise CalibrationError(
            f"A calibration needs {FEWEST_VIEWS} different views of the board, found {given}{usable}. Move the board through the "
            "whole image, near and far, and tilt it"
        )


def _outliers(solution: Solution, most: int) -> list[SolvedView]:
    errors = np.array([one.error_px for one in solution.views])
    limit = max(_OUTLIER * float(np.median(errors)), _GOOD_PX)
    bad = sorted((one for one in solution.views if one.error_px > limit), key=lambda one: -one.error_px)
    return bad[: max(most, 0)]


def _calibrated(views: Sequence[View], size: tuple[int, int], model: LensModel, dropped: Sequence[View]) -> Solution:
    try:
        camera, poses, focal_sigma = _fisheye(views, size) if model is LensModel.OPENCV_FISHEYE else _brown(views, size, model)
    except cv2.error as error:
        raise CalibrationError(
            f"No lens of the model {model} fits the {len(views)} views ({error.err or error}). Check the number and the size of "
            "the squares, or try another --model"
        ) from error
    solved = [SolvedView(view, pose, _error_px(camera, pose, view)) for view, pose in zip(views, poses, strict=True)]
    return Solution(camera, solved, tuple(dropped), focal_sigma)


def _brown(views: Sequence[View], size: tuple[int, int], model: LensModel) -> tuple[LensCamera, list[SE3], float]:
    points = [view.detection.points_in_board.astype(np.float32) for view in views]
    pixels = [view.detection.pixels.astype(np.float32) for view in views]
    # Only its aspect ratio of 1 is used, by the models with one focal length.
    _, matrix, distortion, rotations, translations, sigmas, _, _ = cv2.calibrateCameraExtended(
        points, pixels, size, np.eye(3), np.zeros(8), flags=_FLAGS[model], criteria=_CRITERIA
    )
    k1, k2, p1, p2, k3, k4, k5, k6 = (*distortion.ravel(), *np.zeros(8))[:8]
    by_name = {"k1": k1, "k2": k2, "p1": p1, "p2": p2, "k3": k3, "k4": k4, "k5": k5, "k6": k6}
    camera = _lens(model, size, matrix, [by_name[name] for name in model.parameter_names])
    return camera, _poses(rotations, translations), float(sigmas.ravel()[0] / camera.fx)


def _fisheye(views: Sequence[View], size: tuple[int, int]) -> tuple[LensCamera, list[SE3], float]:
    # OpenCV 5 takes (1, N, 3) and (1, N, 2) here, and no other shape.
    points = [view.detection.points_in_board[None] for view in views]
    pixels = [view.detection.pixels[None] for view in views]
    _, matrix, distortion, rotations, translations = cv2.fisheye.calibrate(
        points, pixels, size, np.eye(3), np.zeros(4), flags=_FISHEYE_FLAGS, criteria=_CRITERIA
    )
    camera = _lens(LensModel.OPENCV_FISHEYE, size, matrix, distortion.ravel().tolist())
    poses = _poses(rotations, translations)
    return camera, poses, _fisheye_focal_sigma(camera, poses, views)


def _lens(model: LensModel, size: tuple[int, int], matrix: Array, distortion: Sequence[float]) -> LensCamera:
    try:
        return LensCamera(
            model, *size, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], tuple(float(value) for value in distortion)
        )
    except CalibrationError as error:
        raise CalibrationError(
            f"The views do not determine a lens of the model {model}: {error} Show the board tilted, and near"
        ) from error


def _poses(rotations: Sequence[Array], translations: Sequence[Array]) -> list[SE3]:
    return [
        SE3(rotation_exp(r.ravel()), np.asarray(t, dtype=np.float64).ravel())
        for r, t in zip(rotations, translations, strict=True)
    ]


def _error_px(camera: LensCamera, pose: SE3, view: View) -> float:
    off = camera.project(pose.apply(view.detection.points_in_board)) - view.detection.pixels
    # Where the lens cannot see at all, it is off by the whole image.
    off = np.nan_to_num(off, nan=float(camera.width))
    return float(np.sqrt((off**2).sum(axis=1).mean()))


def _fisheye_focal_sigma(camera: LensCamera, poses: Sequence[SE3], views: Sequence[View]) -> float:
    """Return the standard deviation of fx relative to it, from the Jacobian of all corners.

    The poses are eliminated view by view (Schur complement): a fit of poses alone tells nothing about the lens.
    """
    information, squares, count = np.zeros((_FISHEYE_UNKNOWNS, _FISHEYE_UNKNOWNS), dtype=np.float64), 0.0, 0
    for pose, view in zip(poses, views, strict=True):
        rotation, _ = cv2.Rodrigues(pose.rotation)
        projected, jacobian = cv2.fisheye.projectPoints(
            view.detection.points_in_board[:, None], rotation, pose.translation, camera.pinhole.matrix, camera.opencv_distortion
        )
        # Its columns: focal lengths, principal point, k1 to k4, then rotation, translation and skew.
        lens, placing = jacobian[:, :_FISHEYE_UNKNOWNS], jacobian[:, _FISHEYE_UNKNOWNS : _FISHEYE_UNKNOWNS + 6]
        mixed = placing.T @ lens
        information += lens.T @ lens - mixed.T @ np.linalg.pinv(placing.T @ placing) @ mixed
        squares += float(((projected.reshape(-1, 2) - view.detection.pixels) ** 2).sum())
        count += 2 * len(view.detection.pixels) - 6
    variance = squares / max(count - _FISHEYE_UNKNOWNS, 1)
    return float(np.sqrt(variance * np.linalg.pinv(information)[0, 0]) / camera.fx)
