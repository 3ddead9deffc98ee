from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reloc.config.yaml_text import parse_yaml
from reloc.errors import ConfigError

# JSON is YAML but for characters that YAML wants escaped.
_PRINTABLE = st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=["Cc", "Cs"])
SCALARS = [
    "1", "-3", "+7", "0", "007", "1.5", "1e-3", "1E5", ".5", "-2.", "1.0e+3", "true", "False", "null", "~", "", "none", "no",
    "1:30", "2026-01-01", "'1'", '"true"', "a b", "1_000", "0.1.2", "512MiB", "é", "1e", "e5", "--1", "on",
]  # fmt: skip


@pytest.mark.parametrize("text", SCALARS)
def test_plain_scalars_are_those_of_yaml_1_2(text: str) -> None:
    expected = YAML(typ="safe", pure=True).load(f"x: {text}")["x"]
    # Two differences from the core schema: ruamel turns dates into dates, and takes 1_000 for a number.
    expected = {"2026-01-01": "2026-01-01", "1_000": "1_000"}.get(text, expected)
    found = parse_yaml(f"x: {text}")["x"]
    assert found == expected
    assert type(found) is type(expected)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(_PRINTABLE)


@given(
    st.recursive(
        _LEAVES,
        lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(_PRINTABLE, min_size=1), inside, max_size=4),
        max_leaves=10,
    )
)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert parse_yaml(json.dumps(value, ensure_ascii=False)) == value


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigError):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key `a` is given twice"),
        ("a: [1, 2", "no readable YAML.*line 1"),
        ("a: 1\n b: 2", "no readable YAML"),
        ("? [1, 2]\n: 3", "line 1: a key must be a word"),
        ("a: !!python/object:os.system {}", "line 1: tags"),
        ("a: !mine 3", "tags such as `!mine` are not allowed"),
        ("---\na: 1\n---\nb: 2\n", "no readable YAML"),
        ("[" * 50, "no readable YAML"),
        ("[" * 50 + "]" * 50, "far more than a configuration"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
)
def test_what_no_configuration_needs_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_yaml(text)


def test_aliases_cannot_make_a_short_text_into_a_large_one() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(ConfigError, match="far more than a configuration"):
        parse_yaml("\n".join(lines))
    assert parse_yaml("a: &x [1, 2]\nb: *x") == yaml.safe_load("a: &x [1, 2]\nb: *x")
