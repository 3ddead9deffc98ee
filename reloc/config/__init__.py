"""The configuration: the rooms' own sections under one root, read strictly, written with explanations."""

from reloc.config.dump import dump_config
from reloc.config.load import load_config
from reloc.config.root import RelocConfig

__all__ = ["RelocConfig", "dump_config", "load_config"]
