"""What came out of `reloc align --mask`, as JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.align.mask_problem import MaskAlignment
from reloc.commands.align_request import AlignRequest
from reloc.commands.mask_inputs import GivenMask
from reloc.estimate import Outcome, Verdict
from reloc.geometry.se3 import SE3, xyzw_from_wxyz

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MaskFit:
    """What came out."""

    verdict: Verdict
    reason: str
    rig_from_world: SE3
    covariance: Array
    """(6, 6) of `rig_from_world`."""
    outcome: Outcome
    iterations: int
    overlaps: tuple[float, ...]


def fit_record(
    request: AlignRequest, masks: Sequence[GivenMask], fit: MaskFit, found: MaskAlignment, milliseconds: dict[str, float]
) -> dict[str, Any]:
    """Return the result for programs; `found` is what the outlines alone gave."""
    world_from_rig = fit.rig_from_world.inverse()
    adjoint = world_from_rig.adjoint()
    single = request.rig is None
    overlaps = dict(zip([mask.name for mask in masks], fit.overlaps, strict=True))
    record: dict[str, Any] = {
        "image": request.image,
        "mask": request.masks[0] if single else {mask.name: str(mask.file) for mask in masks},
        "verdict": fit.verdict.value,
        "reason": fit.reason,
        "outcome": fit.outcome.value,
        "world_from_camera" if single else "world_from_rig": [
            *world_from_rig.translation.tolist(),
            *xyzw_from_wxyz(world_from_rig.wxyz).tolist(),
        ],
        "covariance": adjoint @ fit.covariance @ adjoint.T,
        "iou": fit.overlaps[0] if single else overlaps,
        "iterations": fit.iterations,
        "residual_px": found.residual_px,
        "milliseconds": milliseconds,
    }
    return {**record, "scale": found.scale, "scale_sigma": found.scale_sigma} if request.refine_scale else record


def fit_text(record: dict[str, Any], fit: MaskFit) -> str:
    """Return the result for people."""
    sigma = np.sqrt(np.diag(fit.covariance))
    pose = "world_from_rig" if "world_from_rig" in record else "world_from_camera"
    iou = record["iou"]
    overlaps = ", ".join(f"{name} {value:.3f}" for name, value in iou.items()) if isinstance(iou, dict) else f"{iou:.3f}"
    lines = [
        f"{fit.verdict}{f': {fit.reason}' if fit.reason else ''}",
        f"{pose} {' '.join(f'{value:.6f}' for value in record[pose])}",
        f"standard deviation {np.linalg.norm(sigma[:3]):.2g} units of the map, {np.rad2deg(np.linalg.norm(sigma[3:])):.2g}°",
        f"overlap (IoU) {overlaps}; the outlines are {record['residual_px']:.2f} px apart",
        f"{fit.outcome} after {fit.iterations} iterations, {record['milliseconds']['total']:.0f} ms",
    ]
    if "scale" in record:
        lines.append(f"scale of the map {record['scale']:.4f} ± {record['scale_sigma']:.4f}")
    return "\n".join(lines) + "\n"
