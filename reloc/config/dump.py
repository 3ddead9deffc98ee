"""Writes a configuration as YAML that explains itself."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from reloc.config.root import RelocConfig
from reloc.config.schema import Key, allowed, keys_of
from reloc.config.yaml_text import parse_yaml

_WIDTH = 110
# Other texts are quoted; a quoted text means the same to every reader of YAML.
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.-]+")


def dump_config(config: RelocConfig) -> str:
    """Return the YAML of a configuration, each key under its explanation; `load_config` reads it back to the same values."""
    return "\n".join(_lines(config, "")).strip("\n") + "\n"


def _lines(section: Any, indent: str) -> Iterator[str]:
    for key in keys_of(type(section)).values():  # type: ignore[arg-type]  # mypy takes no class for hashable
        value = getattr(section, key.name)
        if key.is_section:
            yield ""
            yield from _comment(_first_line(type(value)), indent)
            yield f"{indent}{key.name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield from _comment(_explanation(key), indent)
            yield f"{indent}{key.name}: {_value(value)}"


def _first_line(section: type) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _explanation(key: Key) -> str:
    return f"{key.help} ({allowed(key.type)})"


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_on_hyphens=False)


def _value(value: Any) -> str:
    """Return a scalar or a list on one line."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    is_plain = isinstance(value, str) and _PLAIN_WORD.fullmatch(value) and yaml.safe_load(value) == parse_yaml(value) == value
    style = '"' if isinstance(value, str) and not is_plain else None
    text: str = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=1 << 30)
    return text.removesuffix("\n").removesuffix("\n...")
