"""Whether what a run says of itself is true: verdicts, scores and covariances against the errors that were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Verdict
from reloc.evaluate.association import associate
from reloc.evaluate.errors import absolute_errors
from reloc.evaluate.frames import RunFrames
from reloc.evaluate.summary import Statistics
from reloc.geometry import batch
from reloc.geometry.trajectory import Trajectory
from reloc.geometry.uncertainty import position_and_turn_covariance

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# A frame is good within these; they are the widest of `RECALL_LIMITS`.
GOOD_M, GOOD_DEG = 0.05, 5.0
# 95 % quantile of χ² with 6 degrees of freedom, the law of the NEES of an honest covariance.
CHI2_6_95 = 12.591587243743977
_SCORE_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Group:
    """Frames that have something in common, and how well they were localised."""

    frames: int
    good: int
    """Those within `GOOD_M` and `GOOD_DEG`; one without a pose is not."""
    position_m: Statistics
    """Over those that have a pose, believed or not."""
    rotation_deg: Statistics


@dataclass(frozen=True)
class Nees:
    """Normalised estimation error squared δᵀ Σ⁻¹ δ, with 6 degrees of freedom."""

    frames: int
    mean: float
    """6 for an honest covariance, more for one that is too small."""
    median: float
    """5.35 for an honest covariance; not moved by a few wild frames."""
    share_within_95: float
    """Share of the frames below the 95 % quantile of χ²: 0.95 for an honest covariance."""
    sigma_position_m: float
    """Median of the standard deviation of the position that was claimed, all three axes together."""
    sigma_rotation_deg: float


@dataclass(frozen=True)
class Trust:
    """Are the verdict, the score and the covariance right?"""

    frames: int
    """Frames of the run that have a frame of the ground truth."""
    verdicts: Mapping[str, Group]
    scores: Mapping[str, Group]
    """By score, in bins such as `0.8-1.0`."""
    wrongly_tracked: int
    """Frames called TRACKED that are not good: what must never happen."""
    wrongly_limited: int
    """Frames called LIMITED that are not good."""
    bad_precision: float
    """Of the frames called neither TRACKED nor LIMITED, the share that was in fact not good; NaN without any."""
    bad_recall: float
    """Of the frames that were not good, the share that was called neither TRACKED nor LIMITED; NaN without any."""
    score_auc: float
    """Chance that a good frame has a higher score than a bad one: 1 perfect, 0.5 worthless, NaN where all are of one kind."""
    score_rank_correlation: float
    """Spearman's correlation of score and distance of the positions: −1 where the score orders the frames perfectly."""
    nees: Nees
    """Of the poses that are TRACKED."""
    nees_limited: Nees
    """Of the poses that are LIMITED."""

    def as_mapping(self) -> dict[str, Any]:
        """Return the figures as what `reloc evaluate --json` prints."""
        return asdict(self)


def assess_trust(frames: RunFrames, groundtruth: Trajectory, max_difference_s: float) -> Trust:
    """Compare what a run said of each of its frames with the error that was made; poses are compared without alignment."""
    of_truth, of_frame = associate(groundtruth.timestamps_ns, frames.timestamps_ns, round(max_difference_s * 1e9))
    has_pose = frames.has_pose[of_frame]
    errors = absolute_errors(frames.poses(_mask(of_frame[has_pose], len(frames))), groundtruth.selected(of_truth[has_pose]))
    position_m, rotation_deg = _spread(errors.position_m, has_pose), _spread(np.degrees(errors.rotation_rad), has_pose)
    good = (position_m <= GOOD_M) & (rotation_deg <= GOOD_DEG)
    tracked, limited = (frames.verdicts[of_frame] == verdict for verdict in (Verdict.TRACKED, Verdict.LIMITED))
    believed = tracked | limited
    score = frames.measures["score"][of_frame]
    known = np.isfinite(score)

    def group(which: Mask) -> Group:
        posed = which & has_pose
        return Group(
            int(which.sum()), int((which & good).sum()), Statistics.of(position_m[posed]), Statistics.of(rotation_deg[posed])
        )

    bins = np.clip(np.digitize(score, _SCORE_EDGES[1:-1]), 0, len(_SCORE_EDGES) - 2)
    return Trust(
        frames=len(of_frame),
        verdicts={str(verdict): group(frames.verdicts[of_frame] == verdict) for verdict in np.unique(frames.verdicts)},
        scores={
            f"{_SCORE_EDGES[i]:.1f}-{_SCORE_EDGES[i + 1]:.1f}": group(known & (bins == i)) for i in range(len(_SCORE_EDGES) - 1)
        },
        wrongly_tracked=int((tracked & ~good).sum()),
        wrongly_limited=int((limited & ~good).sum()),
        bad_precision=_share(~good, ~believed),
        bad_recall=_share(~believed, ~good),
        score_auc=_auc(score[known & good], score[known & ~good]),
        score_rank_correlation=_rank_correlation(score[known & has_pose], position_m[known & has_pose]),
        nees=_nees(frames, groundtruth, of_frame[has_pose & tracked], of_truth[has_pose & tracked]),
        nees_limited=_nees(frames, groundtruth, of_frame[has_pose & limited], of_truth[has_pose & limited]),
    )


def nees_of_frames(frames: RunFrames, groundtruth: Trajectory, of_frame: NDArray[np.int64], of_truth: NDArray[np.int64]) -> Array:
    """Return the NEES (M,) of the poses `of_frame` (M,) against the true ones `of_truth` (M,), NaN without a usable covariance.

    δ = log(estimate @ truth⁻¹), for the left perturbation that the covariances are of.
    """
    true_turn = batch.conjugate(groundtruth.quaternions[of_truth])
    turn = batch.multiply(frames.quaternions[of_frame], true_turn)
    delta = batch.motion_logs(turn, frames.translations[of_frame] - batch.rotate(turn, groundtruth.translations[of_truth]))
    covariances = frames.covariances[of_frame]
    usable = _positive(covariances)
    solved = np.linalg.solve(np.where(usable[:, None, None], covariances, np.eye(6)), delta[..., None])[..., 0]
    return np.asarray(np.where(usable, np.sum(delta * solved, axis=1), np.nan))


def _nees(frames: RunFrames, groundtruth: Trajectory, of_frame: NDArray[np.int64], of_truth: NDArray[np.int64]) -> Nees:
    values = nees_of_frames(frames, groundtruth, of_frame, of_truth)
    usable = np.isfinite(values)
    values = values[usable]
    if len(values) == 0:
        return Nees(0, *[np.nan] * 5)
    chosen = of_frame[usable]
    spread = np.diagonal(position_and_turn_covariance(frames.covariances[chosen], frames.translations[chosen]), axis1=1, axis2=2)
    return Nees(
        frames=len(values),
        mean=float(values.mean()),
        median=float(np.median(values)),
        share_within_95=float((values <= CHI2_6_95).mean()),
        sigma_position_m=float(np.median(np.sqrt(spread[:, :3].sum(axis=1)))),
        sigma_rotation_deg=float(np.degrees(np.median(np.sqrt(spread[:, 3:].sum(axis=1))))),
    )


def _positive(covariances: Array) -> Mask:
    """Return (M,) where a covariance is finite and positive definite."""
    finite = np.asarray(np.isfinite(covariances).all(axis=(1, 2)))
    return np.asarray(np.linalg.eigvalsh(np.where(finite[:, None, None], covariances, 0.0))[:, 0] > 0)


def _mask(indices: NDArray[np.int64], count: int) -> Mask:
    mask = np.zeros(count, dtype=np.bool_)
    mask[indices] = True
    return mask


def _spread(values: Array, where: Mask) -> Array:
    """Return an array with `values` in the places of a mask and infinity, the error of no pose, in the others."""
    result = np.full(len(where), np.inf)
    result[where] = values
    return result


def _share(what: Mask, among: Mask) -> float:
    return float((what & among).sum() / among.sum()) if among.any() else np.nan


def _auc(good: Array, bad: Array) -> float:
    """Return the area under the ROC curve, by the ranks of Mann and Whitney."""
    if len(good) == 0 or len(bad) == 0:
        return np.nan
    ranks = _ranks(np.concatenate([good, bad]))[: len(good)]
    return float((ranks.sum() - len(good) * (len(good) + 1) / 2) / (len(good) * len(bad)))


def _rank_correlation(a: Array, b: Array) -> float:
    ranks_a, ranks_b = _ranks(a), _ranks(b)
    if len(a) < 2 or np.ptp(ranks_a) == 0 or np.ptp(ranks_b) == 0:
        return np.nan
    return float(np.corrcoef(ranks_a, ranks_b)[0, 1])


def _ranks(values: Array) -> Array:
    """Return ranks (N,) from 1; equal values share the middle of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[inverse])
