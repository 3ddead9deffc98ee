"""What `reloc align` is asked for, and the pictures that it may be asked for beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reloc.commands.film import check_film_path
from reloc.commands.overlay import check_picture_path
from reloc.errors import ConfigError


@dataclass(frozen=True)
class Pictures:
    """Which pictures are wanted, and where."""

    overlay: Path | None
    animate: Path | None
    stages: Path | None

    @property
    def of_the_way(self) -> bool:
        """Whether the solver's way is to be seen, not only where it ended."""
        return self.animate is not None or self.stages is not None

    def check(self) -> None:
        """Raise `OutputError` where a name asks for a format that is not written."""
        for picture in (self.overlay, self.stages):
            if picture is not None:
                check_picture_path(picture)
        if self.animate is not None:
            check_film_path(self.animate)


@dataclass(frozen=True)
class AlignRequest:
    """What to align, against what, from where."""

    image: str | None
    masks: tuple[str, ...]
    map: Path | None
    camera: Path | None
    rig: Path | None
    init: str
    refine_scale: bool
    ignore: Path | None
    as_json: bool
    pictures: Pictures

    def check(self) -> None:
        """Raise `ConfigError` for what does not go together, and `OutputError` for pictures that cannot be written."""
        self.pictures.check()
        if not self.masks:
            if self.image is None:
                raise ConfigError("there is nothing to align: name an image, or the mask of an object with --mask IMAGE")
            if self.rig is not None or self.refine_scale:
                raise ConfigError(
                    "--rig and --refine-scale work on outlines: give the masks of the object with --mask NAME=IMAGE"
                )
        several = self.rig is not None or len(self.masks) > 1
        if self.image is not None and several:
            raise ConfigError("an image goes with one mask and without --rig; several cameras are aligned by their masks alone")
        if self.refine_scale and len(self.masks) < 2:
            raise ConfigError(
                "one view cannot tell a large object from a near one: --refine-scale needs masks of two cameras or more"
            )
        if self.rig is None and len(self.masks) > 1:
            raise ConfigError("several masks need --rig FILE, which says where their cameras are to one another")
        if several and self.pictures.of_the_way:
            raise ConfigError("--animate and --stages show one camera: leave out --rig")
