"""Loads all that a job needs: modules, and compiled kernels out of their cache."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from reloc.build import make_relocalizer, make_renderer
from reloc.config import RelocConfig, load_config
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.synthetic.camera import Imperfections, SyntheticCamera, demo_lens

_SIZE = (160, 120)
_TEXELS = 256
# The first frame is searched for, the second predicted: together they come through every step.
_RIGHT_M = (0.0, 0.01)


def load_everything() -> None:
    """Do in small what a job does: parse settings, and track two frames before a made-up wall."""
    import_module("reloc.commands.track")  # by its name, as the command line does it
    load_config(None, ["align.iterations=25"])
    config, wall, lens = RelocConfig(), _wall(), demo_lens(*_SIZE)
    renderer = make_renderer(config, wall)
    relocalizer = make_relocalizer(config, wall, lens, _beside(0.0)(0.0), renderer=renderer)
    camera = SyntheticCamera(renderer, lens, Imperfections(), seed=0)
    for index, right_m in enumerate(_RIGHT_M):
        time_s = index / 30
        image = camera.photograph(index, time_s, _beside(right_m))
        relocalizer.step(RawFrame(index, round(time_s * NANOSECONDS_PER_SECOND), image, "made up"))


def _beside(right_m: float) -> Callable[[float], SE3]:
    """Return world_from_camera at any time: two metres before the wall, so far to the right."""
    pose = SE3.exp(np.array([right_m, 0.0, 0.0, 0.0, 0.0, 0.0]))
    return lambda time_s: pose


def _wall() -> TexturedMesh:
    """Return a wall of 4 × 4 m that leans back, with stains of all sizes."""
    return TexturedMesh(
        vertices=np.array([[-2, -2, 2], [2, -2, 2], [2, 2, 2.5], [-2, 2, 2.5]], dtype=np.float32),
        faces=np.array([[2, 1, 0], [3, 2, 0]], dtype=np.int32),
        uv=np.array([[[1, 0], [1, 1], [0, 1]], [[0, 0], [1, 0], [0, 1]]], dtype=np.float32),
        material=np.zeros(2, dtype=np.int16),
        textures=(_stains(),),
        name="wall",
    )


def _stains() -> NDArray[np.uint8]:
    """Return a texture (H, W, 3): the running sum of noise along both axes has detail on every scale."""
    noise = np.random.default_rng(0).normal(size=(_TEXELS, _TEXELS, 3))
    rough = np.cumsum(np.cumsum(noise, axis=0), axis=1)
    rough = rough - rough.mean(axis=1, keepdims=True) - rough.mean(axis=0, keepdims=True)
    return np.asarray(np.clip(128 + 60 * rough / rough.std(), 0, 255), dtype=np.uint8)
