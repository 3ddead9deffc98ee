"""The command line: which commands there are, and what becomes of errors. The commands themselves are in `commands/`."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer

from reloc.errors import RelocError


@dataclass(frozen=True)
class Command:
    """A command: the function of its name in `module`, imported only when wanted; `EXAMPLES` there is shown below its help."""

    name: str
    module: str
    help: str
    """What the list of commands says."""
    parts: tuple[str, ...] = ()
    """For a command of two words, what the second word may be: functions in `module` likewise."""


COMMANDS = (
    Command("track", "reloc.commands.track", "Tell where the camera was at every frame of a recording."),
    Command("batch", "reloc.commands.batch", "Track many recordings, several at a time."),
    Command("live", "reloc.commands.live", "Tell where a camera is while it runs."),
    Command("record", "reloc.commands.record", "Record a camera into a folder that can be replayed."),
    Command("cameras", "reloc.commands.cameras", "List the cameras that are plugged in."),
    Command("calibrate", "reloc.commands.calibrate", "Calibrate a camera from images of a printed board."),
    Command("localize", "reloc.commands.localize", "Tell where single images were taken, from nothing but the map."),
    Command("map", "reloc.commands.map", "Prepare a map: index its known views.", parts=("index",)),
    Command("align", "reloc.commands.align", "Refine the pose of one image, and say how well it fits."),
    Command("rig", "reloc.commands.rig", "Say how the cameras of a rig stand to one another."),
    Command("evaluate", "reloc.commands.evaluate", "Say how far trajectories are from the ground truth."),
    Command("report", "reloc.commands.report", "Make a page about runs, or a video of one."),
    Command("stress", "reloc.commands.stress", "Say how tracking bears bad light, occluders and more."),
    Command("export", "reloc.commands.export", "Write a trajectory in the format of another program."),
    Command("inspect", "reloc.commands.inspect", "Say what a recording holds and what is wrong with it."),
    Command("check", "reloc.commands.check", "Say what a map holds and what is wrong with it."),
    Command("config", "reloc.commands.config", "Print all settings with their explanations."),
    Command("demo", "reloc.commands.demo", "Make a recording, track it and evaluate it, without any data."),
)

_EPILOG = "New here? `reloc demo` shows it at work. `reloc COMMAND --help` explains a command."
# Threads of array libraries cost more than they bring: frames are small, and a robot has other work for its cores.
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


# OpenCV writes to stderr what our own messages say better.
_QUIET = {"OPENCV_LOG_LEVEL": "FATAL"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 known error in one line, 2 usage, 3 done but lost, 130 after Ctrl-C."""
    for name, value in {**dict.fromkeys(_ONE_THREAD, "1"), **_QUIET}.items():
        os.environ.setdefault(name, value)  # read when numpy, numba and OpenCV are imported, which is later
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        make_app(_wanted(arguments))(arguments, prog_name="reloc")
    except RelocError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"error: a file cannot have a name as long as this one: {str(error.filename)[:80]}…", file=sys.stderr)
        sys.exit(1)


def make_app(wanted: str | None) -> typer.Typer:
    """Return the application, with the command `wanted` in it and of all others no more than their line in the list."""
    app = typer.Typer(
        name="reloc",
        help="Tell where a camera is, from its images and a textured mesh of the place.",
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_start)
    for command in COMMANDS:
        _add(app, command, load=command.name == wanted)
    return app


def _add(app: typer.Typer, command: Command, *, load: bool) -> None:
    if not load:
        app.command(command.name, help=command.help)(_not_loaded)
        return
    module = import_module(command.module)
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None) if command.parts else app
    for name in command.parts or (command.name,):
        group.command(name, epilog=_as_written(getattr(module, "EXAMPLES", "")))(getattr(module, name))
    if command.parts:
        group.callback()(_not_loaded)  # without it, a group of one command would be taken for that command
        app.add_typer(group, name=command.name, help=module.__doc__)


def _not_loaded() -> None:
    """Stand for a command that is only listed."""


def _as_written(examples: str) -> str | None:
    """Return examples such that they are shown line by line below a heading."""
    lines = [f"  {line}" for line in examples.strip().splitlines()]
    return "\n".join(["\b", "Examples:", *lines]) if lines else None


def _wanted(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def _show_version(wanted: bool) -> None:
    if wanted:
        from reloc import __version__

        print(f"reloc {__version__}")
        raise typer.Exit


def _start(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more of what is done.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Send what the library logs to stderr, below no matter whose progress bar."""
    handler = logging.StreamHandler(_CurrentStderr())
    handler.setFormatter(logging.Formatter("%(level)s: %(message)s"))
    handler.addFilter(_with_small_level)
    logger = logging.getLogger("reloc")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO if verbose else logging.WARNING)


class _CurrentStderr:
    """What `sys.stderr` is at the moment: a progress bar puts itself in its place and lets lines appear above it."""

    def write(self, text: str) -> None:
        """Write a text."""
        sys.stderr.write(text)

    def flush(self) -> None:
        """Let it be seen."""
        sys.stderr.flush()


def _with_small_level(record: logging.LogRecord) -> bool:
    record.level = record.levelname.lower()
    return True
