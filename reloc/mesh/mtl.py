"""Reads the material files of OBJ meshes: which texture each material has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reloc.errors import MeshError

MAX_MTL_BYTES = 64 << 20

# How many words follow each option of map_Kd; a tuple gives the least and the most where further numbers may be left out.
_OPTION_WORDS = {
    **dict.fromkeys(
        ("-blendu", "-blendv", "-cc", "-clamp", "-boost", "-texres", "-imfchan", "-bm", "-type", "-colorspace"), (1, 1)
    ),
    "-mm": (2, 2),
    "-s": (1, 3),
    "-o": (1, 3),
    "-t": (1, 3),
}


@dataclass(frozen=True)
class Material:
    """The colour texture of a material: uv is scaled and shifted before it is looked up."""

    texture: str
    """Path as the file gives it, relative to `folder`."""
    folder: Path
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)


def read_mtl(path: Path) -> dict[str, Material | None]:
    """Return the materials of an MTL file by name; None for one without map_Kd."""
    if path.stat().st_size > MAX_MTL_BYTES:
        raise MeshError("the material file is larger than 64 MiB, which no mesh needs; check that it is an MTL file", path)
    materials: dict[str, Material | None] = {}
    current: str | None = None
    for line in path.read_bytes().decode("utf-8-sig", errors="replace").splitlines():
        keyword, _, rest = line.strip().replace("\t", " ").partition(" ")
        if keyword == "newmtl":
            current = rest.strip()
            materials.setdefault(current, None)
        elif keyword.lower() == "map_kd" and current is not None and rest.strip():
            materials[current] = _parse_map(rest.strip(), path)
    return materials


def _parse_map(text: str, path: Path) -> Material:
    """Split `-s 1 1 1 -clamp on some name.png` into its options and the file name, which may hold spaces."""
    rest, vectors = text, {"-s": (1.0, 1.0), "-o": (0.0, 0.0), "-t": (0.0, 0.0)}
    while (words := rest.split())[0].lower() in _OPTION_WORDS:
        option = words[0].lower()
        least, most = _OPTION_WORDS[option]
        count = least
        while count < most and len(words) > count + 2 and _is_number(words[count + 1]):
            count += 1
        values = words[1 : count + 1]
        if len(words) < count + 2 or (option in vectors and not all(map(_is_number, values))):
            raise MeshError(f"map_Kd {text!r} cannot be understood: expected options, then the name of an image", path)
        if option in vectors:
            default = vectors[option][1]
            vectors[option] = (float(values[0]), float(values[1]) if count > 1 else default)
        rest = rest.split(None, count + 1)[count + 1]
    return Material(rest, path.parent, scale=vectors["-s"], offset=vectors["-o"])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
