"""`reloc align IMAGE`: the texture of a map against one image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.align.trace import Trace
from reloc.build import find_lens, find_map, make_relocalizer, make_renderer
from reloc.commands.align_request import AlignRequest, Pictures
from reloc.commands.animation import write_animation, write_stages
from reloc.commands.clicking import beginning
from reloc.commands.overlay import write_overlay
from reloc.commands.steps import announce_cost, steps_bar
from reloc.commands.tracking import LOST_EXIT_CODE
from reloc.config import RelocConfig
from reloc.estimate import Estimate
from reloc.files import json_document
from reloc.geometry.se3 import xyzw_from_wxyz
from reloc.mesh.load import load_mesh
from reloc.render.renderer import Renderer
from reloc.sources.open import open_source
from reloc.sources.peek import peeked


def align_image(request: AlignRequest, config: RelocConfig) -> int:
    """Align, say how it went, and return the exit code."""
    assert request.image is not None
    with open_source(request.image, mask=request.ignore) as source:
        lens, mesh_file = find_lens(request.camera, source.info), find_map(request.map, request.image)
        raw, _ = peeked(source)
    mesh = load_mesh(mesh_file)
    renderer = make_renderer(config, mesh)
    start = beginning(request.init, raw, lens, mesh, renderer)
    announce_cost(config, renderer, lens, start)
    with steps_bar(config) as on_step:
        trace = Trace(on_step)
        heard = trace if on_step is not None or request.pictures.of_the_way else None
        estimate = make_relocalizer(config, mesh, lens, start, renderer=renderer, trace=heard).step(raw)
    print(json_document(_record(request.image, estimate)) if request.as_json else _text(estimate), end="")
    _write(request.pictures, estimate, trace, renderer)
    return LOST_EXIT_CODE if estimate.verdict.is_lost else 0


def _write(wanted: Pictures, estimate: Estimate, trace: Trace, renderer: Renderer) -> None:
    """Write the pictures that are wanted."""
    if wanted.overlay is not None:
        write_overlay(wanted.overlay, estimate, renderer)
    if wanted.animate is not None:
        write_animation(wanted.animate, trace.way_to(estimate.camera_from_world), estimate, renderer)
    if wanted.stages is not None:
        write_stages(wanted.stages, trace.way_to(estimate.camera_from_world), estimate, renderer)


def _record(image: str, estimate: Estimate) -> dict[str, Any]:
    return {
        "image": image,
        "verdict": estimate.verdict.value,
        "reason": estimate.reason,
        "score": estimate.score,
        "outcome": estimate.outcome.value,
        "world_from_camera": _pose(estimate),
        "covariance": estimate.world_covariance,
        "iterations": estimate.iterations,
        "exposure": {"gain": estimate.exposure.gain, "bias": estimate.exposure.bias},
        "residual": estimate.quality.residual,
        "inlier_share": estimate.quality.inlier_share,
        "milliseconds": estimate.milliseconds,
    }


def _pose(estimate: Estimate) -> list[float]:
    pose = estimate.world_from_camera
    return [*pose.translation.tolist(), *xyzw_from_wxyz(pose.wxyz).tolist()]


def _text(estimate: Estimate) -> str:
    # Seen from the camera: a rotation about the origin of the map would move a camera far from it, and so count twice.
    sigma = np.sqrt(np.diag(estimate.covariance))
    quality, exposure = estimate.quality, estimate.exposure
    lines = [
        f"{estimate.verdict}, score {estimate.score:.2f}{f': {estimate.reason}' if estimate.reason else ''}",
        f"world_from_camera {' '.join(f'{value:.6f}' for value in _pose(estimate))}",
        f"standard deviation {1000 * np.linalg.norm(sigma[:3]):.1f} mm, {np.rad2deg(np.linalg.norm(sigma[3:])):.3f}°",
        f"{estimate.outcome} after {estimate.iterations} iterations, {estimate.milliseconds.get('total', float('nan')):.1f} ms",
        f"{100 * quality.inlier_share:.0f} % inliers, residual {quality.residual:.4f}, correlation {quality.correlation:.3f}, "
        f"{100 * quality.coverage:.0f} % of the image covered by the map",
        f"exposure: gain {_numbers(exposure.gain)}, bias {_numbers(exposure.bias)}",
    ]
    return "\n".join(lines) + "\n"


def _numbers(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.3f}" for value in values)
