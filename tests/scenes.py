"""Small scenes whose looks can be worked out by hand."""

from __future__ import annotations

from functools import cache

import numpy as np

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.software import SoftwareRenderer
from reloc.synthetic.scene import make_room

# Where nothing is special: no axis of the camera lies along one of the world.
ANYWHERE = SE3.exp([0.3, -1.2, 0.8, 0.4, -0.9, 0.25])


@cache
def room() -> SoftwareRenderer:
    """Return the renderer of the made-up room, which takes a second to make: one for all tests."""
    return SoftwareRenderer(make_room())


def quad_corners(center: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return (4, 3): top-left, top-right, bottom-right, bottom-left, from the middle and half of two sides."""
    return np.stack([center - right - down, center + right - down, center + right + down, center - right + down])


# Counter-clockwise for who sees the corners run clockwise on the image, whose y axis points down.
QUAD_FACES = np.array([[0, 3, 2], [0, 2, 1]])
QUAD_UV = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def textured_quads(quads: list[tuple[np.ndarray, np.ndarray]]) -> TexturedMesh:
    """Return a mesh of quads, each with its corners (4, 3) in the world and a texture of its own, upright from in front."""
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


# A corner of three painted walls, whose paint is a formula: what a camera sees of it can be computed without any mesh,
# texture, level or renderer, and so judges all of these.

_WAVES = np.random.default_rng(5)
_PAINT = [
    (_WAVES.uniform(-1, 1, (10, 2)) * [18.0, 18.0], _WAVES.uniform(0, 2 * np.pi, (3, 10)), _WAVES.uniform(0.5, 1.0, (3, 10)))
    for _ in range(3)
]
# Origin and the two edges of each wall, in metres: 3 × 3 m each, seen from the side where all coordinates are positive.
_WALLS = [
    (np.array([0.0, 0.0, 3.0]), np.array([0.0, 3.0, 0.0]), np.array([0.0, 0.0, -3.0])),
    (np.array([3.0, 0.0, 3.0]), np.array([-3.0, 0.0, 0.0]), np.array([0.0, 0.0, -3.0])),
    (np.array([0.0, 3.0, 0.0]), np.array([3.0, 0.0, 0.0]), np.array([0.0, -3.0, 0.0])),
]
_TEXELS = 256


def _paint(wall: int, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """RGB (..., 3) around 0.5 of a wall at (s, t) in 0..1: ten plane waves, none shorter than a quarter of a metre."""
    frequencies, phases, amplitudes = _PAINT[wall]
    angle = 2 * np.pi * (s[..., None] * frequencies[:, 0] + t[..., None] * frequencies[:, 1]) / 2
    waves = np.sin(angle[..., None, :] + phases) * amplitudes
    return 0.5 + 0.055 * waves.sum(axis=-1)


def painted_corner() -> TexturedMesh:
    """Return the corner as a map: three quads with a texture of 256² texels each."""
    centers = (np.arange(_TEXELS) + 0.5) / _TEXELS
    s, t = np.meshgrid(centers, centers)
    textures = [np.rint(255 * np.clip(_paint(wall, s, t), 0, 1)).astype(np.uint8) for wall in range(3)]
    corners = [np.stack([o, o + a, o + a + b, o + b]) for o, a, b in _WALLS]
    return textured_quads(list(zip(corners, textures, strict=True)))


def photograph_of_the_corner(camera: PinholeCamera, camera_from_world: SE3) -> tuple[np.ndarray, np.ndarray]:
    """Return the RGB image (H, W, 3) of the corner in 0..1 and where a wall is hit (H, W), from the plane of each."""
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u, dtype=float)], axis=-1)
    image, nearest = np.zeros((*u.shape, 3)), np.full(u.shape, np.inf)
    for wall, (origin, along, below) in enumerate(_WALLS):
        system = np.stack(
            np.broadcast_arrays(camera_from_world.rotation @ along, camera_from_world.rotation @ below, -rays), axis=-1
        )
        right = np.broadcast_to(-camera_from_world.apply(origin), rays.shape)[..., None]
        s, t, depth = np.moveaxis(np.linalg.solve(system, right)[..., 0], -1, 0)
        here = (np.abs(s - 0.5) <= 0.5) & (np.abs(t - 0.5) <= 0.5) & (depth > 0) & (depth < nearest)
        image[here], nearest[here] = _paint(wall, s[here], t[here]), depth[here]
    return np.clip(image, 0, 1), np.isfinite(nearest)


def view_of_the_corner(offset: np.ndarray | None = None) -> SE3:
    """Return camera_from_world of a camera that looks into the corner from 2.5 m away, moved by exp(offset)."""
    position, target = np.array([2.3, 2.1, 1.9]), np.array([0.35, 0.45, 0.55])
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    world_from_camera = SE3(np.stack([right, np.cross(forward, right), forward], axis=1), position)
    return SE3.exp(np.zeros(6) if offset is None else offset) @ world_from_camera.inverse()


def lump() -> TexturedMesh:
    """Return an object of three limbs without symmetry or texture, some 2 m large, around the origin: it has an outline."""
    rings, segments = 40, 64
    latitude, longitude = np.meshgrid(np.linspace(0, np.pi, rings), np.arange(segments) * 2 * np.pi / segments, indexing="ij")
    unit = np.stack([np.sin(latitude) * np.cos(longitude), np.sin(latitude) * np.sin(longitude), np.cos(latitude)], axis=-1)
    x, y, z = np.moveaxis(unit, -1, 0)
    limbs = 0.6 * np.maximum(x, 0) ** 6 + 0.5 * np.maximum(z, 0) ** 6 + 0.4 * np.maximum(-y - 0.3 * z, 0) ** 6
    radius = 0.6 + limbs - 0.2 * y * z
    corner = np.arange(rings * segments).reshape(rings, segments)
    right, below = np.roll(corner, -1, axis=1), np.roll(corner, -1, axis=0)
    across = np.roll(right, -1, axis=0)
    upper, lower = np.stack([corner, below, right], axis=-1)[:-1], np.stack([right, below, across], axis=-1)[:-1]
    return bare_mesh((radius[..., None] * unit).reshape(-1, 3), np.concatenate([upper.reshape(-1, 3), lower.reshape(-1, 3)]))


def view_of_the_lump(longitude_deg: float = 20.0, distance: float = 5.0) -> SE3:
    """Return camera_from_world of a camera that looks at the lump, from a little above its middle."""
    angle = np.radians(longitude_deg)
    position = distance * np.array([0.95 * np.cos(angle), 0.95 * np.sin(angle), np.sqrt(1 - 0.95**2)])
    forward = -position / distance
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return SE3(np.stack([right, np.cross(forward, right), forward]), np.array([0.0, 0.0, distance]))
