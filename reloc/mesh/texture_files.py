"""Reads texture images: finds the file that a mesh names, checks its size before decoding, and gives 8-bit RGB."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError
from reloc.mesh.raw import FileStamp

MAX_SIDE_PX = 32768
MAX_TEXELS = 16384 * 16384
MAX_TOTAL_TEXELS = 4 * MAX_TEXELS
MAX_FILE_BYTES = 1 << 30
TEXELS_PER_BYTE = 10_000
"""No image that shows anything is packed more densely: deflate reaches 8,000 on a plain one of one bit a pixel."""


class TextureReader:
    """Reads the textures of one mesh, each file once, within a budget of texels; remembers which files it looked at."""

    def __init__(self) -> None:
        self.textures: list[NDArray[np.uint8]] = []
        self.problems: list[str] = []
        self.files: list[FileStamp] = []
        self._index: dict[str, int | None] = {}
        self._texels = 0

    def read(self, name: str, folder: Path) -> int | None:
        """Return the index into `textures` of the image that a file in `folder` names, or None after noting the problem."""
        key = str(folder / name)
        if key not in self._index:
            self._index[key] = self._try(lambda: self._read_file(name, folder))
        return self._index[key]

    def decode(self, key: str, data: bytes) -> int | None:
        """Return the index into `textures` of an image that lies inside the mesh file."""
        if key not in self._index:
            self._index[key] = self._try(lambda: self._decode(data))
        return self._index[key]

    def _try(self, read: Callable[[], NDArray[np.uint8]]) -> int | None:
        try:
            self.textures.append(read())
        except MeshError as error:
            self.problems.append(str(error))
            return None
        return len(self.textures) - 1

    def _read_file(self, name: str, folder: Path) -> NDArray[np.uint8]:
        path = find_beside(name, folder)
        self.files += [FileStamp.of(file) for file in ([path] if path else _candidates(name, folder))]
        if path is None:
            raise MeshError(f"the texture {name!r} is missing; put it beside the mesh, in {folder}", folder)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MeshError("the texture's file is larger than 1 GiB; save it as JPEG or split it into several", path)
        try:
            return self._decode(path.read_bytes())
        except MeshError as error:
            raise MeshError(str(error), path) from error
        except OSError as error:
            raise MeshError(f"the texture cannot be read: {error.strerror}", path) from error

    def _decode(self, data: bytes) -> NDArray[np.uint8]:
        width, height = image_size(data)
        self._texels += width * height
        if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > MAX_TEXELS:
            raise MeshError(
                f"the texture has {width} × {height} pixels, at most 16384 × 16384 are read; scale it down or split it"
            )
        if width * height > TEXELS_PER_BYTE * len(data) + (1 << 20):
            raise MeshError(
                f"the texture promises {width} × {height} pixels in {len(data):,} bytes: it is cut short; export it again"
            )
        if self._texels > MAX_TOTAL_TEXELS:
            raise MeshError(f"the textures have more than {MAX_TOTAL_TEXELS:,} pixels together; scale them down")
        return decode_rgb(data)


def find_beside(name: str, folder: Path) -> Path | None:
    """Return the file that a mesh in `folder` means by `name`, or None.

    Relative paths count from `folder`, with either slash. An absolute path that does not exist (the mesh was made on another
    machine) means the file of that name in `folder`; so does a name that differs in upper and lower case only.
    """
    candidates = _candidates(name, folder)
    exact = next((path for path in candidates if _is_file(path)), None)
    if exact is not None or not candidates:
        return exact
    try:
        alike = [path for path in folder.iterdir() if path.name.lower() == candidates[-1].name.lower() and _is_file(path)]
    except OSError:
        return None
    return min(alike, default=None)


def _candidates(name: str, folder: Path) -> list[Path]:
    """Return the paths that `name` may stand for, the likeliest first and the bare file name last."""
    stripped = name.strip().strip('"')
    portable = stripped.replace("\\", "/")
    base = PureWindowsPath(portable).name
    if not base or "\0" in portable:
        return []
    return [folder / stripped, folder / portable, folder / base]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that may not be entered
        return False


def image_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) in pixels from the header of a JPEG, PNG, TIFF, BMP or WebP image, without decoding it."""
    from PIL.Image import DecompressionBombError

    reader = _header_reader(data)
    if reader is None:
        raise MeshError(f"the texture is not a JPEG, PNG, TIFF, BMP or WebP image (it begins with {data[:4]!r}); convert it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks about EXIF and the like
            width, height = reader(io.BytesIO(data)).size
    except (SyntaxError, OSError, ValueError, OverflowError, DecompressionBombError) as error:
        raise MeshError(f"the texture's header cannot be read ({error}); export it again") from error
    if width < 1 or height < 1:
        raise MeshError(f"the texture has {width} × {height} pixels; export it again")
    return width, height


def _header_reader(data: bytes) -> Any:
    """Return Pillow's reader of the format. Called directly, since Image.open refuses what is far below our own limit."""
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    readers = {
        b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
        b"\x89PNG": PngImagePlugin.PngImageFile,
        b"II*\0": TiffImagePlugin.TiffImageFile,
        b"MM\0*": TiffImagePlugin.TiffImageFile,
        b"BM": BmpImagePlugin.BmpImageFile,
    }
    return next((reader for magic, reader in readers.items() if data.startswith(magic)), None)


def _is_whole(data: bytes) -> bool:
    """Return False for a JPEG or PNG that surely lacks its end: decoders fill what is missing with grey, or trust the lengths."""
    if data.startswith(b"\xff\xd8"):
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")  # the end must follow the last scan
    if not data.startswith(b"\x89PNG"):
        return True
    position = 8
    while data[position + 4 : position + 8] != b"IEND":
        position += 12 + int.from_bytes(data[position : position + 4], "big")  # length, name, content, checksum
        if position + 12 > len(data):
            return False
    return True


def decode_rgb(data: bytes) -> NDArray[np.uint8]:
    """Return an image file's pixels as RGB (H, W, 3), 8 bits, as they lie in the file (no EXIF rotation); alpha is dropped."""
    import cv2

    if not _is_whole(data):
        raise MeshError("the texture's file is cut short or damaged; copy or export it again")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise MeshError("the texture cannot be decoded; export it again") from error
    if image is None:
        raise MeshError("the texture is broken or cut short and cannot be decoded; export it again")
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=255.0 / 65535.0)
    if image.dtype != np.uint8:
        raise MeshError(f"the texture has pixels of type {image.dtype}, 8 or 16 bits are read; convert it")
    result: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return result
