"""Which settings tell runs apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import yaml

# There are about a hundred; YAML's references could make more of a small file than fits into memory.
_MOST_SETTINGS = 1000


def differing(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each config.yaml those of its settings, by names such as `align.iterations`, that are not the same in all."""
    found = [dict(islice(_flat(_parsed(one)), _MOST_SETTINGS)) for one in texts]
    names = dict.fromkeys(name for one in found for name in one)
    changed = [name for name in names if len({repr(one.get(name)) for one in found}) > 1]
    return [{name: one[name] for name in changed if name in one} for one in found]


def _parsed(config: str) -> Any:
    try:
        return yaml.safe_load(config)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, value
