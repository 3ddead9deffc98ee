"""Reads a plan from YAML. As with settings, a typing error is never passed over."""

from __future__ import annotations

import difflib
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from reloc.batch.plan import Plan
from reloc.config.schema import keys_of
from reloc.config.typed import built, read_yaml_text, shortened
from reloc.config.yaml_text import parse_yaml
from reloc.errors import ConfigError

_LARGEST_BYTES = 1 << 20


def load_plan(path: Path) -> Plan:
    """Return the plan in a YAML file. Raises `ConfigError` that names the key, what is allowed, and the nearest known key."""
    try:
        given = parse_yaml(read_yaml_text(path, "plan", _LARGEST_BYTES))
        _check_keys(given, Plan, "")
        return built(Plan, given, _refused)
    except ConfigError as error:
        raise error if error.path is not None else ConfigError(f"the plan cannot be used: {error}", path) from error


def _check_keys(given: Any, section: Any, where: str) -> None:
    """Raise unless `given` is a mapping of which every key is one of the section's, and so on below."""
    if not isinstance(given, dict):
        raise ConfigError(f"`{where or 'the plan'}` must hold `key: value` lines; found {shortened(given)}")
    known = keys_of(section)
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            advice = f"; did you mean `{near[0]}`?" if near else "."
            raise ConfigError(f"there is no `{where}{name[:80]}` in a plan{advice} Allowed there: {', '.join(known)}")
        below, many = _section_of(known[name].type)
        if below is None or value is None:
            continue
        if many and isinstance(value, list):
            for number, item in enumerate(value, start=1):
                _check_keys(item, below, f"{where}{name}.{number}.")
        elif not many:
            _check_keys(value, below, f"{where}{name}.")


def _section_of(annotation: Any) -> tuple[type | None, bool]:
    """Return the dataclass that a key holds, or a list of which it holds."""
    if is_dataclass(annotation):
        return annotation, False  # type: ignore[return-value]  # a class here, never an instance
    if get_origin(annotation) in (Union, UnionType):
        return next((found for one in get_args(annotation) if (found := _section_of(one))[0] is not None), (None, False))
    arguments = get_args(annotation)
    if get_origin(annotation) is tuple:
        return _section_of(arguments[0])[0], True
    return _section_of(arguments[0]) if arguments else (None, False)


def _refused(location: tuple[int | str, ...], found: Any, message: str) -> ConfigError:
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in location)
    return ConfigError(f"`{where}`: {message[:1].lower() + message[1:]}; found {shortened(found)}")
