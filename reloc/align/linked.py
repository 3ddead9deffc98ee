"""Terms seen from elsewhere: a camera on a rig, or a map of another size. Each is a change of unknowns by the chain rule.

A term knows its own camera's pose. Wrapped, it speaks of the pose of the rig that the camera is fixed to, or of the size of the
map as well. So one solver serves one camera or many, and no term has to know of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.align.problem import POSE_SIZE, NormalEquations, ResidualTerm, Unknowns
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RigTerm:
    """A term of one camera of a rig. The unknown pose is rig_from_world, and the exposures are those of all cameras in turn.

    With camera_from_world = camera_from_rig @ rig_from_world, a perturbation δ of the rig is one of Ad(camera_from_rig) δ of the
    camera.
    """

    term: ResidualTerm
    camera_from_rig: SE3
    own: tuple[int, ...] = ()
    """Which of the unknowns beside the pose are this term's, in its order."""

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return the term's quadratic model in the unknowns of the rig."""
        rotation = self.camera_from_rig.rotation @ unknowns.rotation
        translation = self.camera_from_rig.rotation @ unknowns.translation + self.camera_from_rig.translation
        own = list(self.own)
        inner = self.term.linearize(Unknowns(rotation, translation, unknowns.exposure[own]))
        size = POSE_SIZE + len(unknowns.exposure)
        chain = np.zeros((len(inner.gradient), size))
        chain[:POSE_SIZE, :POSE_SIZE] = self.camera_from_rig.adjoint()
        chain[POSE_SIZE + np.arange(len(own)), POSE_SIZE + np.array(own, dtype=np.int64)] = 1.0
        return _chained(inner, chain)


@dataclass(frozen=True, eq=False)
class ScaledTerm:
    """A term on a map whose size is unknown: the last of the unknowns beside the pose is log s, the map scaled by s about c.

    In a camera, x ↦ R (c + s (x − c)) + t looks as x ↦ R x + t' does, with t' = (R c + t) / s − R c: a larger map looks like a
    nearer one. So log s acts as a move of the camera towards c, which only several views can tell from a real one.
    """

    term: ResidualTerm
    center: Array
    """(3,) in the world."""

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return the term's quadratic model in pose, what else it has, and log s."""
        scale = float(np.exp(unknowns.exposure[-1]))
        turned = unknowns.rotation @ self.center
        seen = (turned + unknowns.translation) / scale
        inner = self.term.linearize(Unknowns(unknowns.rotation, seen - turned, unknowns.exposure[:-1]))
        chain = np.zeros((len(inner.gradient), len(inner.gradient) + 1))
        np.fill_diagonal(chain, 1.0)
        chain[:3, :3] /= scale
        chain[:3, -1] = -seen
        return _chained(inner, chain)


@dataclass(frozen=True, eq=False)
class WeightedTerm:
    """A term whose cost is multiplied, such as by an inverse variance that makes it comparable with others."""

    term: ResidualTerm
    factor: float

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return the multiplied quadratic model."""
        inner = self.term.linearize(unknowns)
        return NormalEquations(self.factor * inner.hessian, self.factor * inner.gradient, self.factor * inner.cost, inner.count)


def _chained(inner: NormalEquations, chain: Array) -> NormalEquations:
    """Return the model in other unknowns, of which `chain` (inner, outer) is the derivative of the inner ones."""
    return NormalEquations(chain.T @ inner.hessian @ chain, chain.T @ inner.gradient, inner.cost, inner.count)


def scaled_pose(camera_from_world: SE3, scale: float, center: Array) -> SE3:
    """Return the pose from which the map as it is looks as the map scaled by `scale` about `center` does from this pose."""
    turned = camera_from_world.rotation @ center
    return SE3(camera_from_world.rotation, (turned + camera_from_world.translation) / scale - turned)
