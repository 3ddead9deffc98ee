"""`reloc config`: all settings, explained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reloc.commands.options import SetOption
from reloc.config import dump_config, load_config

EXAMPLES = """
reloc config                                  # the defaults, each explained
reloc config configs/shaky.yaml               # what that file makes of them
reloc config --set align.residual=intensity > mine.yaml
"""


def config(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A file of settings; what it leaves out is default.")
    ] = None,
    settings: SetOption = None,
) -> None:
    """Print all settings with their explanations, as YAML that --config reads."""
    print(dump_config(load_config(file, settings or ())), end="")
