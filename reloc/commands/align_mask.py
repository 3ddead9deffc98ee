"""`reloc align --mask`: the outline of a map against the masks of an object, with an image beside them or without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.align.layers import build_layers
from reloc.align.linked import scaled_pose
from reloc.align.mask_problem import MaskAlignment
from reloc.align.outline import outline_of_rendering, overlap
from reloc.align.trace import Trace
from reloc.aligners import make_joint_aligner, make_mask_aligner
from reloc.assess import assess
from reloc.build import find_map, make_renderer, make_undistorter
from reloc.commands.align_request import AlignRequest, Pictures
from reloc.commands.clicking import CLICK, beginning
from reloc.commands.mask_animation import write_mask_animation, write_mask_stages
from reloc.commands.mask_inputs import GivenMask, read_inputs
from reloc.commands.mask_overlay import MaskPicture, write_mask_overlay
from reloc.commands.mask_report import MaskFit, fit_record, fit_text
from reloc.commands.steps import announce_cost, announce_mask_cost, steps_bar
from reloc.commands.tracking import LOST_EXIT_CODE
from reloc.config import RelocConfig
from reloc.estimate import Verdict
from reloc.files import json_document
from reloc.frame import Frame, RawFrame
from reloc.geometry.se3 import SE3
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.stopwatch import Stopwatch
from reloc.view import measure_view


@dataclass(frozen=True, eq=False)
class _Scene:
    """What is aligned: the map, the masks, and the image beside them."""

    config: RelocConfig
    mesh: TexturedMesh
    renderer: Renderer
    masks: Sequence[GivenMask]
    image: Frame | None
    start: SE3
    """rig_from_world to begin at."""


def align_masks(request: AlignRequest, config: RelocConfig) -> int:
    """Align, say how it went, and return the exit code."""
    scene = _scene(request, config)
    first = scene.masks[0]
    announce_mask_cost(config, scene.mesh, first.view, first.view.camera_from_rig @ scene.start)
    if scene.image is not None:
        announce_cost(config, scene.renderer, first.lens, scene.start.inverse())
    watch = Stopwatch()
    with steps_bar(config) as on_step:
        trace = Trace(on_step)
        heard = trace if on_step is not None or request.pictures.of_the_way else None
        with watch.stage("mask"):
            aligner = make_mask_aligner(config, scene.mesh, scene.renderer, heard)
            views = [mask.view for mask in scene.masks]
            found = aligner.align(views, scene.start, refine_scale=request.refine_scale)
        fit = _judged(found, config)
        if scene.image is not None and fit.verdict.is_believed:
            with watch.stage("image"):
                fit = _with_image(scene, scene.image, found, heard)
    record = fit_record(request, scene.masks, fit, found, watch.milliseconds())
    print(json_document(record) if request.as_json else fit_text(record, fit), end="")
    _draw(request.pictures, scene, fit.rig_from_world, found.scale, trace)
    return LOST_EXIT_CODE if fit.verdict.is_lost else 0


def _scene(request: AlignRequest, config: RelocConfig) -> _Scene:
    raw, masks = read_inputs(request, config)
    mesh = load_mesh(find_map(request.map, request.image or request.masks[0]), require_color=raw is not None)
    renderer = make_renderer(config, mesh)
    image = None if raw is None else make_undistorter(config, masks[0].lens)(raw)
    return _Scene(config, mesh, renderer, masks, image, _start(request, raw, masks[0], mesh, renderer))


def _start(request: AlignRequest, raw: RawFrame | None, given: GivenMask, mesh: TexturedMesh, renderer: Renderer) -> SE3:
    """Return rig_from_world to begin at. Who clicks sees the image or the mask of the first camera, and says where that is."""
    world_from = beginning(request.init, given.mask.raw if raw is None else raw, given.lens, mesh, renderer)
    assert world_from is not None
    world_from_rig = world_from @ given.view.camera_from_rig if request.init == CLICK else world_from
    return world_from_rig.inverse()


def _judged(found: MaskAlignment, config: RelocConfig) -> MaskFit:
    """Return what an alignment of outlines is worth."""
    least = config.silhouette.believed_overlap
    believed = min(found.overlaps) >= least
    reason = "" if believed else f"the outlines overlap by {min(found.overlaps):.2f}, {least:g} is expected"
    verdict = Verdict.TRACKED if believed else Verdict.LOST
    return MaskFit(verdict, reason, found.rig_from_world, found.covariance, found.outcome, found.iterations, found.overlaps)


def _with_image(scene: _Scene, image: Frame, found: MaskAlignment, trace: Trace | None) -> MaskFit:
    """Align the texture too, from where the outlines match."""
    config, renderer, view = scene.config, scene.renderer, scene.masks[0].view
    layers = build_layers(image.image, image.valid, image.camera, config.align.as_solved())
    aligner = make_joint_aligner(config, scene.mesh, renderer, trace)
    keyframe, both = aligner.align(layers, view, found.rig_from_world)
    pose = both.camera_from_world
    view_there = measure_view(image, layers, keyframe, pose, both.inlier_share, config.weakness.black)
    worth = assess(both, view_there, keyframe.coverage, keyframe.depth, math.nan, config.assess)
    covered = overlap(view.levels[0].outline, outline_of_rendering(renderer.render(image.camera, pose)))
    verdict = Verdict.TRACKED if worth.believed else Verdict.LOST
    covariance = worth.noise_covariance + worth.model_covariance
    return MaskFit(verdict, worth.reason, pose, covariance, both.outcome, found.iterations + both.iterations, (covered,))


def _draw(wanted: Pictures, scene: _Scene, rig_from_world: SE3, scale: float, trace: Trace) -> None:
    """Write the pictures that are wanted."""
    if wanted.overlay is not None:
        drawn = [_picture(scene, mask, rig_from_world, scale) for mask in scene.masks]
        write_mask_overlay(wanted.overlay, drawn, scene.renderer)
    if wanted.of_the_way:
        # The solver may have begun at a pose that is better aimed: a person sees where it was told to begin.
        way = [scene.start, *trace.way_to(rig_from_world)]
        picture = _picture(scene, scene.masks[0], rig_from_world, scale)
        if wanted.animate is not None:
            write_mask_animation(wanted.animate, way, picture, scene.renderer)
        if wanted.stages is not None:
            write_mask_stages(wanted.stages, way, picture, scene.renderer)


def _picture(scene: _Scene, given: GivenMask, rig_from_world: SE3, scale: float) -> MaskPicture:
    """Return what is drawn of one camera."""
    start, end = (given.view.camera_from_rig @ pose for pose in (scene.start, rig_from_world))
    background = np.zeros_like(given.mask.image) if scene.image is None else _luminance(scene.image.image)
    inside = given.view.levels[0].outline.inside
    end = scaled_pose(end, scale, scene.mesh.center)
    return MaskPicture(given.name, given.mask.camera, background, inside, start, end)


def _luminance(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (H, W) of an image that may be RGB."""
    return image if image.ndim == 2 else np.asarray(image.mean(axis=2), dtype=np.float32)
