"""Reads a configuration: defaults < YAML file < `a.b=value` overrides. A typing error is never passed over."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reloc.config.root import RelocConfig
from reloc.config.schema import allowed, key_at, keys_of, paths_below
from reloc.config.typed import built, read_yaml_text, shortened
from reloc.config.yaml_text import parse_yaml
from reloc.errors import ConfigError

_LARGEST_BYTES = 1 << 18


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> RelocConfig:
    """Return the configuration in a YAML file (or the defaults) with overrides such as `align.iterations=12` laid over it.

    Raises `ConfigError` that names the key, what is allowed there and, for an unknown key, the nearest that is known.
    """
    given: dict[str, Any] = {}
    config = RelocConfig()
    if path is not None:
        try:
            given = _sections(parse_yaml(read_yaml_text(Path(path), "configuration", _LARGEST_BYTES)), RelocConfig, "")
            config = built(RelocConfig, given, _refused)
        except ConfigError as error:
            raise error if error.path is not None else ConfigError(str(error), path) from error
    if overrides:
        try:
            for override in overrides:
                _lay_over(given, _sections(_parse_override(override), RelocConfig, ""))
            config = built(RelocConfig, given, _refused)
        except ConfigError as error:
            raise ConfigError(f"--set: {error}") from error
    return config


def _parse_override(override: str) -> dict[str, Any]:
    """Return the nested mapping of `section.key=value`; the value is YAML."""
    path, equals, text = override.partition("=")
    names = [name.strip() for name in path.split(".")]
    if not equals or not all(names):
        raise ConfigError(f"expected section.key=value, such as align.iterations=12, found `{override}`")
    try:
        value = parse_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"`{override}` has no readable value: {error}") from error
    for name in reversed(names):
        value = {name: value}
    return dict(value)


def _sections(given: Any, section: type, prefix: str) -> dict[str, Any]:
    """Return `given` with every key known and every section a mapping, or raise."""
    if given is None:  # a heading whose lines are all commented out
        return {}
    if not isinstance(given, dict):
        where = f"`{prefix[:-1]}`" if prefix else "the configuration"
        raise ConfigError(f"{where} must hold `key: value` lines, found {shortened(given)}")
    known = keys_of(section)
    for name in given:
        if name not in known:
            raise _unknown(name, section, prefix)
    return {
        name: _sections(value, known[name].type, f"{prefix}{name}.") if known[name].is_section else value
        for name, value in given.items()
    }


def _unknown(name: str, section: type, prefix: str) -> ConfigError:
    known = list(keys_of(section))
    near = [prefix + one for one in difflib.get_close_matches(name, known, 1)] or _same_name_elsewhere(name)
    advice = f"; did you mean `{near[0]}`?" if near else "."
    within = f"in `{prefix[:-1]}`" if prefix else "at the top"
    return ConfigError(f"there is no setting `{_shortened_text(prefix + name)}`{advice} Allowed {within}: {', '.join(known)}")


def _same_name_elsewhere(name: str) -> list[str]:
    """Return the path of a key of nearly this name in any section."""
    last = {path.rpartition(".")[2]: path for path in paths_below(RelocConfig)}
    return [last[one] for one in difflib.get_close_matches(name, last, 1)]


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Write the values of `above` into `below`, section by section."""
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            _lay_over(below[name], value)
        else:
            below[name] = value


def _refused(location: tuple[str | int, ...], found: Any, message: str) -> ConfigError:
    """Return the error of a value that its key does not allow."""
    path = tuple(str(part) for part in location)
    while path and key_at(RelocConfig, path) is None:  # the location goes on into lists and unions
        path = path[:-1]
    key = key_at(RelocConfig, path)
    expected = message if key is None else allowed(key.type)
    return ConfigError(f"`{'.'.join(path)}` must be {expected}; found {shortened(found)}")


def _shortened_text(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
