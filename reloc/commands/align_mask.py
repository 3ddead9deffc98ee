"""`reloc align --mask`: the outline of a map against the masks of an object, with an image beside them or without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.align.joint import align_both
from reloc.align.layers import build_layers
from reloc.align.linked import scaled_pose
from reloc.align.mask_aligner import MaskAligner, MaskAlignment
from reloc.align.mask_views import MaskView, view_of_mask
from reloc.align.outline import outline_of_rendering, overlap
from reloc.assess import assess
from reloc.build import find_lens, find_map, make_renderer, make_undistorter
from reloc.commands.clicking import CLICK, beginning
from reloc.commands.mask_overlay import MaskPicture, write_mask_overlay
from reloc.commands.tracking import LOST_EXIT_CODE
from reloc.config import RelocConfig
from reloc.errors import ConfigError, SourceError
from reloc.estimate import Outcome, Verdict
from reloc.files import json_document
from reloc.frame import Frame, RawFrame
from reloc.geometry.calibration import load_rig
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3, xyzw_from_wxyz
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.sources.mask import read_object_mask
from reloc.sources.open import open_source
from reloc.sources.peek import peeked
from reloc.sources.source import SourceInfo
from reloc.stopwatch import Stopwatch
from reloc.undistort import Undistorter, halved_width
from reloc.view import measure_view

Array = NDArray[np.float64]

_OWN_CAMERA = "camera"
"""What the only camera is called where there is no rig."""


@dataclass(frozen=True)
class MaskRequest:
    """What to align, against what, from where."""

    masks: tuple[str, ...]
    image: str | None
    map: Path | None
    camera: Path | None
    rig: Path | None
    init: str
    refine_scale: bool
    ignore: Path | None
    as_json: bool
    overlay: Path | None


@dataclass(frozen=True, eq=False)
class _View:
    """A mask with its camera."""

    name: str
    file: Path
    lens: LensCamera
    mask: Frame
    """The undistorted mask, as an image."""
    made: MaskView


@dataclass(frozen=True, eq=False)
class _Fit:
    """What came out."""

    verdict: Verdict
    reason: str
    rig_from_world: SE3
    covariance: Array
    """(6, 6) of `rig_from_world`."""
    outcome: Outcome
    iterations: int
    overlaps: tuple[float, ...]


def align_masks(request: MaskRequest, config: RelocConfig) -> int:
    """Align, say how it went, and return the exit code."""
    raw, views = _inputs(request, config)
    mesh = load_mesh(find_map(request.map, request.image or request.masks[0]), require_color=raw is not None)
    renderer, center = make_renderer(config, mesh), mesh.bounds.mean(axis=0).astype(np.float64)
    start = _start(request, raw, views[0], mesh, renderer)
    watch = Stopwatch()
    with watch.stage("mask"):
        aligner = MaskAligner(renderer, center, config.silhouette)
        found = aligner.align([view.made for view in views], start, refine_scale=request.refine_scale)
    fit = _judged(found, config)
    image = None if raw is None else make_undistorter(config, views[0].lens)(raw)
    if image is not None and fit.verdict.is_believed:
        with watch.stage("image"):
            fit = _with_image(image, views[0], found, renderer, config)
    record = _record(request, views, fit, found, watch.milliseconds())
    print(json_document(record) if request.as_json else _text(record, fit), end="")
    if request.overlay is not None:
        _draw(request.overlay, image, views, (start, fit.rig_from_world), found.scale, center, renderer)
    return LOST_EXIT_CODE if fit.verdict.is_lost else 0


def _inputs(request: MaskRequest, config: RelocConfig) -> tuple[RawFrame | None, list[_View]]:
    """Return the image, if there is one, and the masks with their cameras. Raises `ConfigError` for what does not go together."""
    if request.image is not None and (request.rig is not None or len(request.masks) > 1):
        raise ConfigError("an image goes with one mask and without --rig; several cameras are aligned by their masks alone")
    if request.refine_scale and len(request.masks) < 2:
        raise ConfigError(
            "one view cannot tell a large object from a near one: --refine-scale needs masks of two cameras or more"
        )
    if request.rig is None:
        if len(request.masks) > 1:
            raise ConfigError("several masks need --rig FILE, which says where their cameras are to one another")
        raw, info = _photograph(request)
        return raw, [_view(_OWN_CAMERA, Path(request.masks[0]), find_lens(request.camera, info), SE3.identity(), config)]
    rig = load_rig(request.rig)
    views = []
    for text in request.masks:
        name, mark, file = text.partition("=")
        if not mark:
            raise ConfigError(f"with --rig a mask is NAME=IMAGE with one of {', '.join(rig.names)}; found {text!r}")
        camera = rig.camera(name)
        views.append(_view(name, Path(file), camera.lens, camera.camera_from_rig, config))
    return None, views


def _start(request: MaskRequest, raw: RawFrame | None, view: _View, mesh: TexturedMesh, renderer: Renderer) -> SE3:
    """Return rig_from_world to begin at. Who clicks sees the image or the mask of the first camera, and says where that is."""
    world_from = beginning(request.init, view.mask.raw if raw is None else raw, view.lens, mesh, renderer)
    assert world_from is not None
    world_from_rig = world_from @ view.made.camera_from_rig if request.init == CLICK else world_from
    return world_from_rig.inverse()


def _photograph(request: MaskRequest) -> tuple[RawFrame | None, SourceInfo]:
    if request.image is None:
        return None, SourceInfo(request.masks[0], live=False, length=1, camera=None)
    with open_source(request.image, mask=request.ignore) as source:
        return peeked(source)[0], source.info


def _view(name: str, file: Path, lens: LensCamera, camera_from_rig: SE3, config: RelocConfig) -> _View:
    """Read and undistort a mask, to the same size as an image of the camera."""
    white = read_object_mask(file.expanduser()).astype(np.uint8) * np.uint8(255)
    width = halved_width(lens.width, config.undistort.working_width)
    mask = Undistorter(lens, working_width=width)(RawFrame(0, 0, white, file.name))
    try:
        return _View(name, file, lens, mask, view_of_mask(mask, camera_from_rig))
    except SourceError as error:
        raise SourceError(str(error), file) from error


def _judged(found: MaskAlignment, config: RelocConfig) -> _Fit:
    """Return what an alignment of outlines is worth."""
    least = config.silhouette.believed_overlap
    believed = min(found.overlaps) >= least
    reason = "" if believed else f"the outlines overlap by {min(found.overlaps):.2f}, {least:g} is expected"
    verdict = Verdict.TRACKED if believed else Verdict.LOST
    return _Fit(verdict, reason, found.rig_from_world, found.covariance, found.outcome, found.iterations, found.overlaps)


def _with_image(image: Frame, view: _View, found: MaskAlignment, renderer: Renderer, config: RelocConfig) -> _Fit:
    """Align the texture too, from where the outlines match."""
    inflation = config.assess.noise_inflation + config.assess.model_error
    outline = view.made.levels[0].outline
    layers = build_layers(image.image, image.valid, image.camera, config.align)
    keyframe, both = align_both(
        renderer, layers, outline, found.rig_from_world, config.align, config.keyframe, config.silhouette, inflation
    )
    pose = both.camera_from_world
    view_there = measure_view(image, layers, keyframe, pose, both.inlier_share, config.weakness.black)
    worth = assess(both, view_there, keyframe.coverage, keyframe.depth, math.nan, config.assess)
    covered = overlap(outline, outline_of_rendering(renderer.render(image.camera, pose)))
    verdict = Verdict.TRACKED if worth.believed else Verdict.LOST
    covariance = worth.noise_covariance + worth.model_covariance
    return _Fit(verdict, worth.reason, pose, covariance, both.outcome, found.iterations + both.iterations, (covered,))


def _record(
    request: MaskRequest, views: Sequence[_View], fit: _Fit, found: MaskAlignment, milliseconds: dict[str, float]
) -> dict[str, Any]:
    world_from_rig = fit.rig_from_world.inverse()
    adjoint = world_from_rig.adjoint()
    single = request.rig is None
    overlaps = dict(zip([view.name for view in views], fit.overlaps, strict=True))
    record: dict[str, Any] = {
        "image": request.image,
        "mask": request.masks[0] if single else {view.name: str(view.file) for view in views},
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


def _text(record: dict[str, Any], fit: _Fit) -> str:
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


def _draw(
    path: Path,
    image: Frame | None,
    views: Sequence[_View],
    poses: tuple[SE3, SE3],
    scale: float,
    center: Array,
    renderer: Renderer,
) -> None:
    """Write the picture of start and end."""
    drawn = []
    for view in views:
        start, end = (view.made.camera_from_rig @ pose for pose in poses)
        background = np.zeros_like(view.mask.image) if image is None else _luminance(image.image)
        inside = view.made.levels[0].outline.inside
        drawn.append(MaskPicture(view.name, view.mask.camera, background, inside, start, scaled_pose(end, scale, center)))
    write_mask_overlay(path, drawn, renderer)


def _luminance(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (H, W) of an image that may be RGB."""
    return image if image.ndim == 2 else np.asarray(image.mean(axis=2), dtype=np.float32)
