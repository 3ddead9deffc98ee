"""Small scenes whose looks can be worked out by hand."""

from __future__ import annotations

import numpy as np

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh

# Where nothing is special: no axis of the camera lies along one of the world.
ANYWHERE = SE3.exp([0.3, -1.2, 0.8, 0.4, -0.9, 0.25])


def quad_corners(center: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return (4, 3): top-left, top-right, bottom-right, bottom-left, from the middle and half of two sides."""
    return np.stack([center - right - down, center + right - down, center + right + down, center - right + down])


# Counter-clockwise for who sees the corners run clockwise on the image, whose y axis points down.
QUAD_FACES = np.array([[0, 3, 2], [0, 2, 1]])
QUAD_UV = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def textured_quads(quads: list[tuple[np.ndarray, np.ndarray]]) -> TexturedMesh:
    """Return a mesh of quads, each with its corners (4, 3) in the world and a texture of its own, upright as seen from in front."""
    corners = np.concatenate([corners for corners, _ in quads])
    faces = np.concatenate([QUAD_FACES + 4 * number for number in range(len(quads))])
    return TexturedMesh(
        vertices=corners.astype(np.float32),
        faces=faces.astype(np.int32),
        uv=np.tile(QUAD_UV[QUAD_FACES], (len(quads), 1, 1)).astype(np.float32),
        material=np.repeat(np.arange(len(quads)), 2).astype(np.int16),
        textures=tuple(texture for _, texture in quads),
    )


def filling_quad(camera: PinholeCamera, camera_from_world: SE3, depth: float) -> np.ndarray:
    """Return the corners (4, 3) in the world of the fronto-parallel quad that exactly fills the image of a camera."""
    left, top, right, bottom = -0.5, -0.5, camera.width - 0.5, camera.height - 0.5
    corners = camera.unproject(np.array([[left, top], [right, top], [right, bottom], [left, bottom]])) * depth
    return camera_from_world.inverse().apply(corners)


def bare_mesh(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | None = None) -> TexturedMesh:
    """Return a mesh with colours at its vertices, white unless given."""
    white = np.full((len(vertices), 3), 255)
    return TexturedMesh(
        vertices=np.asarray(vertices, dtype=np.float32),
        faces=np.asarray(faces, dtype=np.int32),
        uv=np.zeros((0, 3, 2), np.float32),
        material=np.zeros(len(faces), np.int16),
        textures=(),
        vertex_colors=(white if colors is None else colors).astype(np.uint8),
    )
