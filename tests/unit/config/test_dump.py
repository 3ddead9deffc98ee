from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import yaml
from annotated_types import Ge, Gt, Le
from hypothesis import given
from hypothesis import strategies as st

from reloc.config import RelocConfig, dump_config, load_config
from reloc.config.schema import allowed, key_at, keys_of, paths_below

PATHS = [path for path in paths_below(RelocConfig) if "." in path]


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    """Return what a type allows."""
    base, *limits = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    low = max((limit.ge if isinstance(limit, Ge) else limit.gt for limit in limits if isinstance(limit, Ge | Gt)), default=None)
    high = min((limit.le for limit in limits if isinstance(limit, Le)), default=None)
    excluded = any(isinstance(limit, Gt) for limit in limits)
    if get_origin(base) is Literal:
        return st.sampled_from(get_args(base))
    if get_origin(base) is tuple:
        return st.lists(_values(get_args(base)[0]), min_size=1, max_size=3).map(tuple)
    known: dict[type, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(low, high),
        float: st.floats(low, high, exclude_min=excluded, allow_nan=False, allow_infinity=False),
        str: st.text(),
    }
    return known[base]


@st.composite
def _configs(draw: st.DrawFn) -> RelocConfig:
    config = RelocConfig()
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=8)):
        section, name = path.split(".")
        key = key_at(RelocConfig, (section, name))
        assert key is not None
        config = replace(config, **{section: replace(getattr(config, section), **{name: draw(_values(key.type))})})
    return config


@given(_configs())
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, config: RelocConfig) -> None:
    path = tmp_path_factory.mktemp("dump") / "config.yaml"
    path.write_text(dump_config(config), encoding="utf-8", newline="")
    assert load_config(path) == config


@pytest.mark.parametrize(
    "text", ["1e-3", "1E5", "12", "true", "null", "", "no", "a: b", "# x", "'", '"', "a\nb", "é\x85\x7f", "512MiB"]
)
def test_a_text_stays_a_text(tmp_path: Path, text: str) -> None:
    config = replace(RelocConfig(), viewer=replace(RelocConfig().viewer, memory_limit=text))
    (tmp_path / "c.yaml").write_text(dump_config(config), encoding="utf-8", newline="")
    assert load_config(tmp_path / "c.yaml").viewer.memory_limit == text


def test_other_readers_of_yaml_read_the_defaults_alike() -> None:
    def as_yaml(value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else value

    found = yaml.safe_load(dump_config(RelocConfig()))
    expected = {
        section.name: {one.name: as_yaml(getattr(getattr(RelocConfig(), section.name), one.name)) for one in fields(part)}
        for section in fields(RelocConfig)
        for part in [getattr(RelocConfig(), section.name)]
    }
    assert found == expected


@pytest.mark.parametrize("path", PATHS)
def test_every_setting_is_explained(path: str) -> None:
    key = key_at(RelocConfig, tuple(path.split(".")))
    assert key is not None
    assert len(key.help) > 15, "write a docstring under the field: unit and effect"
    assert key.help.endswith(".")
    assert f"{key.help} ({allowed(key.type)}) {key.name}: " in _unwrapped()


def _unwrapped() -> str:
    """Return the defaults and their explanations as one line."""
    return " ".join(line.strip().removeprefix("# ") for line in dump_config(RelocConfig()).splitlines())


def test_every_section_says_what_it_is_for() -> None:
    for key in keys_of(RelocConfig).values():
        assert key.is_section
        assert f" {(key.type.__doc__ or '').splitlines()[0]} {key.name}: " in f" {_unwrapped()}"


def test_no_line_is_wider_than_a_page() -> None:
    assert max(map(len, dump_config(RelocConfig()).splitlines())) <= 112


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "a whole number"),
        (Annotated[int, Ge(1), Le(9)], "a whole number of at least 1 and at most 9"),
        (Annotated[float, Gt(0)], "a number of more than 0"),
        (Literal["a"], "a"),
        (Literal["a", "b"], "one of a, b"),
        (int | None, "a whole number or null"),
        (tuple[int, int], "a list [...] of 2 values, each a whole number"),
        (tuple[float, ...], "a list [...] of at least 0 values, each a number"),
        (bool, "true or false"),
    ],
)
def test_what_is_allowed_is_said_in_words(annotation: Any, text: str) -> None:
    assert allowed(annotation) == text


def test_every_file_of_settings_differs_from_the_defaults_only_where_it_says_so() -> None:
    folder = Path(__file__).resolve().parents[3] / "configs"
    for path in folder.glob("*.yaml"):
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        config = load_config(path)
        assert config != RelocConfig()
        for section, values in given.items():
            for name, value in values.items():
                assert value != getattr(getattr(RelocConfig(), section), name), f"{path.name}: {section}.{name} is the default"
