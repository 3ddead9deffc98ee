"""`reloc check MAP`: what a map is like, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from reloc.files import json_document
from reloc.mesh.check import check_mesh
from reloc.mesh.load import load_with_notes
from reloc.mesh.report import MeshReport

EXAMPLES = """
reloc check hall.obj
reloc check scan.glb --json
"""


def check(
    map: Annotated[Path, typer.Argument(help="The mesh: .obj with its .mtl and textures, .ply, .glb or .gltf.")],
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, for programs.")] = False,
) -> None:
    """Look a map over: size, texture, holes, memory, and warnings that say what to do.

    Ends with 0 if the map can be read, warnings or not; with 1 and one line if it cannot.
    """
    loaded = load_with_notes(map, require_color=False)
    report = check_mesh(loaded.mesh, map, loaded.notes)
    if json:
        typer.echo(json_document(asdict(report)), nl=False)
    else:
        _print(report)


def _print(report: MeshReport) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(title=Text(report.path), title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in _rows(report):
        table.add_row(name, Text(value))
    console.print(table)
    for warning in report.warnings:
        console.print(Text("! ", style="bold yellow"), Text(warning), sep="")
    if not report.warnings:
        console.print(Text("Nothing looks wrong.", style="green"))


def _rows(report: MeshReport) -> Iterator[tuple[str, str]]:
    x, y, z = report.extent_m
    yield "faces, vertices", f"{report.faces:,}, {report.vertices:,}"
    yield "extent", f"{x:.3g} × {y:.3g} × {z:.3g} m, if the unit is a metre"
    yield "surface", f"{report.surface_m2:.4g} m², edges of {report.median_edge_m * 100:.3g} cm (median)"
    yield "colour", _color(report)
    if report.textures:
        empty = f"{report.untextured_share:.1%} of the surface without, {report.black_share:.1%} black"
        yield "texture", f"{report.texels_per_meter or 0:.4g} texels per metre (median); {empty}"
    yield "holes", f"{report.holes:,} rims of {report.boundary_edges:,} edges, the outer border among them"
    yield "pieces", f"{report.components:,}, the largest with {report.largest_component_share:.1%} of the faces"
    yield "faces look", f"{report.looks}, {report.mixed_winding_share:.2%} of the edges join faces of opposite sense"
    yield (
        "faults",
        f"{report.non_manifold_edges:,} edges of three faces and more, {report.needle_share:.1%} of the faces are needles",
    )
    yield "memory", f"{report.memory_mib:.1f} MiB with texture levels"


def _color(report: MeshReport) -> str:
    if report.color == "texture":
        return ", ".join(f"{width} × {height}" for width, height in report.textures) + " texture"
    return {"vertices": "at the vertices", "none": "none: for silhouettes only"}[report.color]
