from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import OutputError
from reloc.files import exists, json_document, json_line, path_of, write_atomically


def _refuse(constant: str) -> None:
    raise ValueError(f"not JSON: {constant}")


def test_numbers_that_json_lacks_become_null_and_arrays_become_lists() -> None:
    value = {"a": np.array([1.0, np.nan]), "b": (np.inf, -np.inf), "c": np.float64(2.0), "d": np.int64(3), "e": "é", 7: None}
    expected = {"a": [1.0, None], "b": [None, None], "c": 2.0, "d": 3, "e": "é", "7": None}
    assert json.loads(json_line(value), parse_constant=_refuse) == expected
    assert json.loads(json_document(value), parse_constant=_refuse) == expected
    assert "\n" not in json_line(value)


def test_a_path_is_what_a_shell_makes_of_it_and_nobody_has_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of("~/a") == tmp_path / "a"
    assert path_of("~nobody-of-this-name/a") == Path("~nobody-of-this-name/a")


def test_under_an_impossible_name_there_is_nothing(tmp_path: Path) -> None:
    assert exists(tmp_path)
    assert not exists(tmp_path / "a")
    assert not exists(tmp_path / ("a" * 300))


def test_a_file_is_replaced_whole_and_its_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(path, "first")
    write_atomically(path, "second\n")
    assert path.read_bytes() == b"second\n"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("")
    write_atomically(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_the_old_file_stays_when_the_new_one_cannot_take_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reloc.files.os.replace", full)
    with pytest.raises(OutputError, match=r"No space left on device.*a\.txt"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_that_is_a_file_is_a_readable_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write the file"):
        write_atomically(tmp_path / "file" / "a.txt", "x")
