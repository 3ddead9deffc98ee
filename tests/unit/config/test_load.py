from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.align.config import AlignConfig
from reloc.config import RelocConfig, load_config
from reloc.errors import ConfigError


def _file(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_is_the_defaults(tmp_path: Path) -> None:
    assert load_config() == RelocConfig()
    assert load_config(_file(tmp_path, "")) == RelocConfig()
    assert load_config(_file(tmp_path, "# align:\n#   iterations: 3\n")) == RelocConfig()
    # A heading whose lines are all commented out.
    assert load_config(_file(tmp_path, "align:\n  # iterations: 3\nmotion:\n")) == RelocConfig()


def test_a_setting_goes_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    path = _file(tmp_path, "align:\n  iterations: 4\n  points: 200\n")
    from_file = load_config(path)
    assert (from_file.align.iterations, from_file.align.points) == (4, 200)
    assert from_file.align.residual == AlignConfig().residual
    assert from_file.motion == RelocConfig().motion
    both = load_config(path, ["align.iterations=7", "viewer.mode=save", "align.iterations=9"])
    assert (both.align.iterations, both.align.points, both.viewer.mode) == (9, 200, "save")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("align.step_px=1e-2", 0.01),
        ("align.step_px = 1", 1.0),
        ("align.step_px=.5", 0.5),
        ("align={step_px: 0.25, iterations: 3}", 0.25),
    ],
)
def test_values_are_read_as_a_person_means_them(setting: str, value: float) -> None:
    assert load_config(None, [setting]).align.step_px == value


def test_words_that_other_yaml_takes_for_truth_values_stay_words() -> None:
    assert load_config(None, ["motion.model=none"]).motion.model == "none"
    assert load_config(None, ["keyframe.two_sided=true"]).keyframe.two_sided is True


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("align.iteration=12", r"no setting `align\.iteration`; did you mean `align\.iterations`\? Allowed in `align`: solver, "),
        ("alignn.iterations=12", r"no setting `alignn`; did you mean `align`\? Allowed at the top: undistort, "),
        ("iterations=12", r"no setting `iterations`; did you mean `align\.iterations`\?"),
        ("zzz=1", r"no setting `zzz`\. Allowed at the top"),
        ("align.iterations.a=1", r"`align\.iterations` must be a whole number"),
        ("align.iterations=0", r"`align\.iterations` must be a whole number of at least 1; found 0"),
        ("align.iterations=1.5", r"`align\.iterations` must be a whole number of at least 1; found 1\.5"),
        ("align.iterations=true", "must be a whole number of at least 1; found True"),
        ("align.iterations='3'", "must be a whole number of at least 1; found '3'"),
        ("align.iterations=", "must be a whole number of at least 1; found nothing"),
        ("align.step_px=-1", r"`align\.step_px` must be a number of more than 0; found -1"),
        ("align.step_px=.nan", r"`align\.step_px` must be a number of more than 0; found '\.nan'"),
        ("align.step_px=1e999", r"`align\.step_px` must be a finite number; found inf"),
        ("align.residual=locl", r"`align\.residual` must be one of local, intensity; found 'locl'"),
        ("keyframe.two_sided=no", r"`keyframe\.two_sided` must be true or false; found 'no'"),
        ("viewer.web_port=65536", "must be a whole number of at least 0 and at most 65535; found 65536"),
        ("viewer.memory_limit=512", r"`viewer\.memory_limit` must be a text; found 512"),
        ("align=3", "`align` must hold `key: value` lines, found 3"),
        ("align.iterations", r"expected section\.key=value, such as align\.iterations=12, found `align\.iterations`"),
        ("=3", r"expected section\.key=value"),
        ("align..points=3", r"expected section\.key=value"),
        ("align.points=[1", r"`align\.points=\[1` has no readable value"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_explained(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(None, [setting])
    assert str(caught.value).startswith("--set: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("align:\n  iteration: 12\n", r"did you mean `align\.iterations`\?"),
        ("align:\n  iterations: many\n", r"`align\.iterations` must be a whole number of at least 1; found 'many'"),
        ("- 1\n- 2\n", "the configuration must hold `key: value` lines, found"),
        ("align: [1]\n", "`align` must hold `key: value` lines"),
        ("align:\n  iterations: 1\n  iterations: 2\n", "line 3: the key `iterations` is given twice"),
        ("align: {iterations: [", "no readable YAML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_explained_and_named_last(tmp_path: Path, text: str, message: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(caught.value).endswith(f"[{path}]")
    assert caught.value.path == path


def test_a_file_is_at_fault_before_the_settings_over_it(tmp_path: Path) -> None:
    path = _file(tmp_path, "align:\n  iterations: 0\n")
    with pytest.raises(ConfigError, match=rf"{path.name}\]$"):
        load_config(path, ["align.iterations=3"])


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file.*absent\.yaml"):
        load_config(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ConfigError, match="found bytes that are none"):
        load_config(tmp_path / "picture.yaml")
    (tmp_path / "large.yaml").write_text("# x\n" * 100_000)
    with pytest.raises(ConfigError, match="at most 262144 bytes"):
        load_config(tmp_path / "large.yaml")


@given(
    st.binary(max_size=200) | st.from_regex(r"(align|viewer|motion|x):\s*(\n  (iterations|mode|y): .{0,10})?\n", fullmatch=True)
)
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes | str) -> None:
    path = tmp_path_factory.mktemp("any") / "c.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with suppress(ConfigError):
        assert isinstance(load_config(path), RelocConfig)
