from __future__ import annotations

from pathlib import Path

import pytest

from reloc.batch.load import load_plan
from reloc.batch.plan import Chunks, Configuration, Defaults, Plan, Sequence
from reloc.errors import ConfigError


def _plan(folder: Path, text: str) -> Plan:
    (folder / "plan.yaml").write_text(text)
    return load_plan(folder / "plan.yaml")


def test_a_plan_says_what_it_says(tmp_path: Path) -> None:
    found = _plan(
        tmp_path,
        """
sequences:
  - source: desk
    init: 0 0 1.2 0 0 0 1
    every: 2
  - {source: "walks/*", name: null, fps: 15}
configurations:
  - name: coarse
    set: [align.iterations=6]
defaults: {map: desk.obj}
chunks: {frames: 600, overlap: 20}
""",
    )
    assert found == Plan(
        (Sequence("desk", init="0 0 1.2 0 0 0 1", every=2), Sequence("walks/*", fps=15.0)),
        (Configuration("coarse", set=("align.iterations=6",)),),
        Defaults(map="desk.obj"),
        Chunks(600, 20),
    )


def test_what_is_not_said_is_the_default(tmp_path: Path) -> None:
    found = _plan(tmp_path, "sequences:\n  - source: desk\nchunks:\n")
    assert found == Plan((Sequence("desk"),))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the plan.*must hold"),
        ("- source: a", "must hold `key: value` lines"),
        ("sequences: []", "`sequences`: .*at least 1"),
        ("sequences: [a]", r"`sequences\.1\.` must hold"),
        ("sequences: {source: a}", "`sequences`: .*array"),
        ("sequences: [{sorce: a}]", r"no `sequences\.1\.sorce` in a plan; did you mean `source`\? Allowed there: source, name"),
        ("sequences: [{source: a}]\nconfigs: []", "no `configs` in a plan; did you mean `configurations`"),
        ("sequences: [{source: a, every: 0}]", r"`sequences\.1\.every`: .*greater than or equal to 1; found 0"),
        ('sequences: [{source: a, every: "2"}]', r"`sequences\.1\.every`: .*valid integer"),
        ("sequences: [{name: a}]", r"`sequences\.1\.source`: "),
        ("sequences: [{source: a}]\nchunks: {frames: 1}", r"`chunks\.frames`: "),
        ("sequences: [{source: a}]\nchunks: {frame: 9}", r"`chunks\.frame` in a plan; did you mean `frames`"),
        ("sequences: [{source: a, fps: .inf}]", r"`sequences\.1\.fps`: "),
        ("sequences: [{source: a, fps: 1e999}]", r"`sequences\.1\.fps` must be a finite number"),
        ("sequences: [{source: a, source: b}]", "given twice"),
        ("sequences: [", "no readable YAML"),
        ("a: &a [*a]", "."),
        ("sequences: !!python/object:os.system x", "tags"),
    ],
)
def test_what_is_no_plan_is_explained_with_its_path(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s){match}.* \[.*plan\.yaml\]$"):
        _plan(tmp_path, text)


def test_a_file_that_is_none_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_plan(tmp_path / "nothing.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (1 << 20) + b"##")
    with pytest.raises(ConfigError, match="found more"):
        load_plan(tmp_path / "big.yaml")
    (tmp_path / "photo.yaml").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ConfigError, match="bytes that are none"):
        load_plan(tmp_path / "photo.yaml")
