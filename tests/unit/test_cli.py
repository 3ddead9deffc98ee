from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reloc.cli import COMMANDS, make_app


def _reloc(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from reloc.cli import main; main()", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_the_list_of_commands_shows_one_line_each_and_loads_none_of_them() -> None:
    program = (
        "import sys\nfrom reloc.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('loaded', [name for name in ('numpy', 'numba', 'cv2', 'pydantic', 'rich', 'yaml') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "loaded []"
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    for command in COMMANDS:
        assert f"{command.name} {command.help}" in lines


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(make_app(name), [name, "--help"], prog_name="reloc")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Usage: reloc {name} ")
    description = " ".join(result.stdout.split("Options:")[0].split())
    assert len(description) > 80


def test_examples_are_shown_line_by_line() -> None:
    help_text = CliRunner().invoke(make_app("track"), ["track", "--help"]).stdout
    lines = [line.strip() for line in help_text.splitlines()]
    examples = lines[lines.index("Examples:") + 1 :]
    assert len(examples) >= 2
    assert all(line.startswith("reloc track ") for line in examples if line)


def test_known_errors_are_one_line_and_code_1() -> None:
    found = _reloc("config", "/nowhere/settings.yaml")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == ("error: the configuration cannot be read: No such file or directory [/nowhere/settings.yaml]\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["trak"], "No such command 'trak'. Did you mean 'track'?"),
        (["track", "folder"], "Missing option '--out'"),
        (["track", "folder", "--out", "x", "--every", "0"], "--every"),
        (["track", "folder", "--out", "x", "--viewer", "film"], "--viewer"),
        (["config", "--nonsense"], "No such option: --nonsense"),
    ],
)
def test_wrong_usage_is_code_2(arguments: list[str], text: str) -> None:
    found = _reloc(*arguments)
    assert found.returncode == 2
    assert text in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("option", ["--map", "--camera", "--init"])
def test_a_name_that_no_file_can_have_is_one_line(tmp_path: Path, option: str) -> None:
    found = _reloc("align", "image.png", option, "a" * 300)
    assert found.returncode == 1
    assert found.stderr.startswith("error: ")
    assert len(found.stderr.splitlines()) == 1


def test_libraries_do_not_speak_where_we_do(tmp_path: Path) -> None:
    found = _reloc("record", "/dev/video9876", "--out", str(tmp_path / "r"))
    assert found.returncode == 1
    assert [line.partition(":")[0] for line in found.stderr.splitlines()] == ["error"]


def test_unknown_errors_show_where_they_come_from(tmp_path: Path) -> None:
    program = (
        "import reloc.config\nfrom reloc.cli import main\n"
        "def broken(*arguments): raise ZeroDivisionError('a fault of ours')\n"
        "import reloc.commands.config as command\ncommand.load_config = broken\nmain(['config'])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "Traceback" in found.stderr
    assert found.stderr.splitlines()[-1] == "ZeroDivisionError: a fault of ours"


def test_the_version_is_said() -> None:
    found = _reloc("--version")
    assert found.returncode == 0
    assert found.stdout.startswith("reloc ")


def test_a_reader_that_stops_reading_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'from reloc.cli import main; main()' config | head -n 1"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert found.stdout.startswith("# ")
    assert found.stderr == ""


@pytest.mark.parametrize(("environment", "expected"), [({}, "1 1 1"), ({"OMP_NUM_THREADS": "3"}, "3 1 1")])
def test_array_libraries_get_one_thread_unless_the_user_says_otherwise(environment: dict[str, str], expected: str) -> None:
    program = (
        "import os, sys\nfrom reloc.cli import main\nassert 'numpy' not in sys.modules\n"
        "try: main(['--version'])\nexcept SystemExit: pass\nimport cv2, numba\n"
        "print(os.environ['OMP_NUM_THREADS'], cv2.getNumThreads(), numba.get_num_threads())"
    )
    clean = {name: value for name, value in os.environ.items() if "NUM" not in name}
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**clean, **environment}
    )
    assert found.stdout.splitlines()[-1] == expected


def test_warnings_of_the_library_appear_on_stderr(tmp_path: Path) -> None:
    program = (
        "import logging, sys\nfrom reloc.cli import make_app\n"
        "try: make_app('config')(['config'])\nexcept SystemExit: pass\n"
        "logging.getLogger('reloc.mesh').warning('a hole in %s', 'hall.obj')\nlogging.getLogger('reloc.mesh').info('unheard')"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stderr == "warning: a hole in hall.obj\n"
