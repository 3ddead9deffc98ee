from __future__ import annotations

import json
from pathlib import Path

import pytest

from reloc.commands.run_folder import begin_folder, check_folder, read_summary, written_files
from reloc.config import RelocConfig, load_config
from reloc.errors import OutputError


def _earlier_run(folder: Path) -> Path:
    for name in ("trajectory.txt", "frames.jsonl", "config.yaml", "session.rrd", "notes.txt"):
        (folder / name).write_text("earlier")
    (folder / "summary.json").write_text(json.dumps({"versions": {"reloc": "0.1"}}))
    return folder


def test_a_new_or_foreign_folder_is_fine_as_long_as_no_name_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "holiday.jpg").touch()
    check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path / "new" / "one", overwrite=False)
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "new").exists()


def test_an_earlier_run_is_replaced_with_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_folder(_earlier_run(tmp_path), overwrite=False)
    assert capsys.readouterr().err == f"note: the earlier run in {tmp_path} is replaced\n"


@pytest.mark.parametrize("summary", [None, "", "[]", "{}", '{"versions": 3}', '{"versions": {"other": "1"}}', "[" * 100_000])
def test_files_of_our_names_that_are_not_a_run_are_left_alone(tmp_path: Path, summary: str | None) -> None:
    (tmp_path / "config.yaml").write_text("somebody else's")
    contents = [] if summary is None else [summary]
    for content in contents:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(OutputError, match=r"config\.yaml.*--overwrite"):
        check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path, overwrite=True)
    assert (tmp_path / "config.yaml").read_text() == "somebody else's"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(OutputError, match="found a file"):
        check_folder(tmp_path / "x", overwrite=True)


def test_beginning_writes_the_settings_and_removes_what_would_look_like_part_of_this_run(tmp_path: Path) -> None:
    _earlier_run(tmp_path)
    begin_folder(tmp_path, load_config(None, ["align.iterations=7"]), "made by\na test")
    assert (tmp_path / "config.yaml").read_text().startswith("# made by\n# a test\n")
    assert load_config(tmp_path / "config.yaml").align.iterations == 7
    assert written_files(tmp_path) == ["trajectory.txt", "frames.jsonl", "summary.json", "config.yaml"]
    assert (tmp_path / "notes.txt").read_text() == "earlier"


def test_what_this_run_will_write_anew_stays_until_then(tmp_path: Path) -> None:
    _earlier_run(tmp_path)
    begin_folder(tmp_path, load_config(None, ["viewer.mode=save", "output.frames=false"]), "")
    assert written_files(tmp_path) == ["trajectory.txt", "summary.json", "config.yaml", "session.rrd"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        begin_folder(tmp_path / "file" / "below", RelocConfig(), "")


def test_a_summary_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_summary(tmp_path) == {}
