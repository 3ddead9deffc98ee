"""What a configuration may hold, read off the dataclasses: keys, explanations, and what is allowed as a value."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen


@dataclass(frozen=True)
class Key:
    """One key of a section."""

    name: str
    type: Any
    """The annotation, with its `Annotated` limits."""
    help: str
    """The docstring under the field, on one line."""

    @property
    def is_section(self) -> bool:
        """Whether the value is a mapping with keys of its own."""
        return is_dataclass(self.type)


@cache
def keys_of(section: type) -> dict[str, Key]:
    """Return the keys of a configuration dataclass by name, in order."""
    types = get_type_hints(section, include_extras=True)
    explanations = _docstrings_under_fields(section)
    return {f.name: Key(f.name, types[f.name], explanations.get(f.name, "")) for f in fields(section)}


def _docstrings_under_fields(section: type) -> dict[str, str]:
    """Return what is written under each field. Python drops these strings, so they are taken from the source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    result = {}
    for field, text in pairwise(statements):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(explanation))):
                result[name] = " ".join(explanation.split())
    return result


def paths_below(section: type, prefix: str = "") -> Iterator[str]:
    """Yield the full path of every key below a section, such as `align.iterations`."""
    for key in keys_of(section).values():
        yield prefix + key.name
        if key.is_section:
            yield from paths_below(key.type, f"{prefix}{key.name}.")


def key_at(root: type, path: tuple[str, ...]) -> Key | None:
    """Return the key at a path, or None where the path leads nowhere."""
    section, key = root, None
    for name in path:
        key = keys_of(section).get(name) if is_dataclass(section) else None
        if key is None:
            return None
        section = key.type
    return key


def allowed(annotation: Any) -> str:
    """Return in words what values a type allows, such as `a whole number from 1 to 100`."""
    base, limits = _without_limits(annotation)
    origin, arguments = get_origin(base), get_args(base)
    if is_dataclass(base):
        return "`key: value` lines"
    if origin is Literal:
        return f"{'one of ' * (len(arguments) > 1)}{', '.join(str(value) for value in arguments)}"
    if origin in (Union, UnionType):
        return " or ".join("null" if one is type(None) else allowed(one) for one in arguments)
    if origin is tuple:
        return f"a list [...] of {_count(arguments, limits)}, each {allowed(arguments[0])}"
    return _NAMES.get(base, getattr(base, "__name__", str(base))) + _range(limits)


_NAMES: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _without_limits(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(annotation) is Annotated:
        base, *limits = get_args(annotation)
        return base, tuple(limits)
    return annotation, ()


def _count(arguments: tuple[Any, ...], limits: tuple[Any, ...]) -> str:
    if arguments[-1] is not Ellipsis:
        return f"{len(arguments)} values"
    least = max((limit.min_length for limit in limits if isinstance(limit, MinLen)), default=0)
    most = min((limit.max_length for limit in limits if isinstance(limit, MaxLen)), default=None)
    return f"at least {least} values" if most is None else f"{least} to {most} values"


def _range(limits: tuple[Any, ...]) -> str:
    """Return the limits in words, with a blank before them."""
    least = [f"at least {limit.ge}" for limit in limits if isinstance(limit, Ge)]
    least += [f"more than {limit.gt}" for limit in limits if isinstance(limit, Gt)]
    most = [f"at most {limit.le}" for limit in limits if isinstance(limit, Le)]
    most += [f"less than {limit.lt}" for limit in limits if isinstance(limit, Lt)]
    return f" of {' and '.join(least + most)}" if least or most else ""
