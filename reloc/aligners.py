"""The solvers that a configuration names: of images, of masks, and of both. What only some of them need is loaded with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reloc.align.aligner import Aligner, FrameAligner
from reloc.align.trace import Trace
from reloc.config import RelocConfig
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.differentiable import DifferentiableRenderer, SoftRenderer
from reloc.render.renderer import Renderer

if TYPE_CHECKING:
    from reloc.align.adam import PictureLoss
    from reloc.align.features.config import FeaturesConfig
    from reloc.align.features.vgg import VggFeatures
    from reloc.align.joint import JointAligner
    from reloc.align.mask_problem import FrameMaskAligner


def make_aligner(config: RelocConfig, mesh: TexturedMesh, renderer: Renderer, trace: Trace | None = None) -> FrameAligner:
    """Return the solver that the configuration names."""
    match config.align.solver:
        case "lm" if config.features.network == "none":
            return Aligner(config.align, trace=trace)
        case "lm":
            from reloc.align.features.aligner import FeatureAligner

            return FeatureAligner(config.features, config.align, _network(config.features, "cpu"), renderer, trace)
        case "adam":
            from reloc.align.adam import AdamAligner

            colors, losses = _differentiated(config, mesh, renderer)
            return AdamAligner(config.adam, config.align.as_solved(), colors, losses, trace)


def make_mask_aligner(
    config: RelocConfig, mesh: TexturedMesh, renderer: Renderer, trace: Trace | None = None
) -> FrameMaskAligner:
    """Return the solver that the configuration names, for masks."""
    from reloc.align.mask_aligner import MaskAligner

    center = mesh.center
    match config.align.solver:
        case "lm":
            return MaskAligner(renderer, center, config.silhouette, trace)
        case "adam":
            from reloc.align.adam_mask_aligner import AdamMaskAligner
            from reloc.align.mask_problem import MaskProblem

            problem = MaskProblem(renderer_of_views(config, renderer), center, config.silhouette)
            return AdamMaskAligner(config.adam, make_soft_renderer(config, mesh, renderer), problem, trace)


def make_joint_aligner(config: RelocConfig, mesh: TexturedMesh, renderer: Renderer, trace: Trace | None = None) -> JointAligner:
    """Return the solver that the configuration names, for an image and a mask of it at once."""
    from reloc.align.joint import LmJointAligner

    inflation = config.assess.noise_inflation + config.assess.model_error
    align, keyframes, silhouette = config.align.as_solved(), config.keyframe, config.silhouette
    match config.align.solver:
        case "lm":
            return LmJointAligner(renderer, align, keyframes, silhouette, inflation, trace)
        case "adam":
            from reloc.align.adam_joint import AdamJointAligner

            colors, losses = _differentiated(config, mesh, renderer)
            return AdamJointAligner(
                config.adam,
                align,
                keyframes,
                silhouette,
                inflation,
                views=renderer_of_views(config, renderer),
                colors=colors,
                outlines=make_soft_renderer(config, mesh, renderer),
                losses=losses,
                trace=trace,
            )


def make_soft_renderer(config: RelocConfig, mesh: TexturedMesh, renderer: Renderer) -> SoftRenderer:
    """Return what draws the soft silhouettes that first-order descent differentiates."""
    from reloc.render.torch_surface import chosen_device

    match config.render.backend:
        case "software":
            from reloc.render.soft_outline import SoftOutline

            return SoftOutline(mesh, renderer, softness_px=config.adam.softness_px, device=chosen_device(config.adam.device))
        case "pytorch3d":
            from reloc.render.pytorch3d.silhouette import PyTorch3dSilhouette

            return PyTorch3dSilhouette(
                mesh,
                softness_px=config.adam.softness_px,
                faces_per_pixel=config.pytorch3d.faces_per_pixel,
                device=chosen_device(config.pytorch3d.device),
            )


def renderer_of_views(config: RelocConfig, renderer: Renderer) -> Renderer:
    """Return what draws the views that results are measured against: of PyTorch3D, Adam asks only what is differentiated."""
    if config.render.backend == "pytorch3d" and config.align.solver == "adam":
        from reloc.render.pytorch3d.renderer import PyTorch3dRenderer

        assert isinstance(renderer, PyTorch3dRenderer)
        return renderer.software
    return renderer


def _differentiated(
    config: RelocConfig, mesh: TexturedMesh, renderer: Renderer
) -> tuple[DifferentiableRenderer, list[PictureLoss]]:
    """Return what draws the colours that first-order descent differentiates, and what it adds to the photometric loss."""
    from reloc.render.torch_surface import TorchSurface, chosen_device

    # What can be differentiated by itself draws; on the visibility of any other renderer, torch shades.
    surface = (
        renderer
        if isinstance(renderer, DifferentiableRenderer)
        else TorchSurface(mesh, renderer, device=chosen_device(config.adam.device))
    )
    if config.features.network == "none":
        return surface, []
    from reloc.align.features.loss import FeatureLoss

    return surface, [FeatureLoss(_network(config.features, surface.device), config.features.weight)]


def _network(config: FeaturesConfig, device: str) -> VggFeatures:
    from reloc.align.features.vgg import VggFeatures

    return VggFeatures(config.network, config.weights, config.layers, device)
