"""What is known of a map after looking it over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeshReport:
    """What a map is like. Shares are 0..1 of the faces unless said otherwise; lengths are in metres if the map is."""

    path: str
    vertices: int
    faces: int
    extent_m: tuple[float, float, float]
    """Size of the box around the mesh along its axes."""
    center_m: tuple[float, float, float]
    """Middle of that box."""
    surface_m2: float
    median_edge_m: float
    color: str
    """`texture`, `vertices` or `none`."""
    textures: tuple[tuple[int, int], ...]
    """Width and height of each texture."""
    texels_per_meter: float | None
    """Median over the faces; None without textures."""
    untextured_share: float
    """Share of the surface that is plain grey for want of a texture, or OpenMVS's filler."""
    black_share: float
    """Share of the surface whose texture is black."""
    boundary_edges: int
    holes: int
    """Rims that hang together, the outer border among them."""
    components: int
    largest_component_share: float
    non_manifold_edges: int
    mixed_winding_share: float
    """Share of the edges between two faces that these faces turn around in opposite senses."""
    looks: str
    """`outwards` as an object, or `inwards` as a room: where the faces look as seen from the middle."""
    degenerate_faces: int
    """Faces without an area; loading a file drops them."""
    needle_share: float
    """Share of faces more than a hundred times as long as high."""
    memory_mib: float
    """Mesh, textures and their grey levels."""
    warnings: tuple[str, ...] = ()
    """Sentences that say what looks wrong and what to do."""
