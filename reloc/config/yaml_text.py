"""The part of YAML that a configuration needs, read strictly.

PyYAML's own constructor follows YAML 1.1, in which `1e-3` is a text, `1:30` is 90, `no` is false and a key given twice counts
once. Here plain scalars are those of YAML 1.2's core schema, and a key given twice is an error.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from reloc.errors import ConfigError

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STANDARD_TAG = "tag:yaml.org,2002:"
# A configuration has a hundred values; aliases can make a short text into billions.
_MOST_NODES = 10_000
_DEEPEST = 20
# Python turns no longer text into an integer, and no setting needs it.
_LONGEST_NUMBER = 100


def parse_yaml(text: str) -> Any:
    """Return what a YAML text holds: mappings with text keys, lists, texts, numbers, truth values and None.

    Raises `ConfigError` with the line for anything else.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise ConfigError("this is no readable YAML: it is nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"this is no readable YAML: {' '.join(str(error).split())}") from error
    return None if root is None else _Reader().value(root, 0)


class _Reader:
    """Turns the nodes of one document into values and counts them."""

    def __init__(self) -> None:
        self._nodes = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            raise _error(node, "this is far more than a configuration can hold")
        if not str(node.tag).startswith(_STANDARD_TAG) or "python" in node.tag:
            raise _error(node, f"tags such as `{node.tag}` are not allowed")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return _scalar(node.value) if is_plain else node.value

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _error(key, "a key must be a word")
            if key.value in result:
                raise _error(key, f"the key `{key.value}` is given twice; leave one of them out")
            result[key.value] = self.value(value, depth + 1)
        return result


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _LONGEST_NUMBER:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


def _error(node: yaml.Node, message: str) -> ConfigError:
    return ConfigError(f"line {node.start_mark.line + 1}: {message}")
