"""What a benchmark says: tables, checks against the limits of the project, and the machine that it ran on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from reloc.files import json_document, write_atomically

Cell = float | int | str

_PACKAGES = ("reloc", "numpy", "numba", "opencv-python-headless", "scipy", "filterpy")


@dataclass(frozen=True)
class Table:
    title: str
    columns: Mapping[str, str]
    """Name of each column, and the format of its numbers."""
    rows: Sequence[Sequence[Cell]]

    def cells(self) -> list[list[str]]:
        formats = list(self.columns.values())
        return [[c if isinstance(c, str) else format(c, f) for c, f in zip(row, formats, strict=True)] for row in self.rows]


@dataclass(frozen=True)
class Check:
    """A measured figure against a limit of the project. Failing is said, not punished."""

    what: str
    measured: float
    limit: float
    wanted: Literal["at most", "at least"] = "at most"

    @property
    def passed(self) -> bool:
        return self.measured <= self.limit if self.wanted == "at most" else self.measured >= self.limit

    def line(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        return f"{verdict}: {self.what} {self.measured:.4g} ({self.wanted} {self.limit:g})"


@dataclass(frozen=True)
class Report:
    title: str
    tables: Sequence[Table]
    checks: Sequence[Check] = ()
    notes: Sequence[str] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, load, versions."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores used": usable,
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _revision() -> str:
    """Return the commit that was measured, and whether files have been changed since."""
    command = ["git", "describe", "--always", "--dirty=, changed since", "--abbrev=10", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def as_text(report: Report) -> str:
    """Return a report for the terminal."""
    parts = [f"== {report.title}", *(_text_table(table) for table in report.tables)]
    parts += [check.line() for check in report.checks]
    parts += [f"note: {note}" for note in report.notes]
    return "\n".join([*parts, f"machine: {_machine_line(report.machine)}", ""])


def as_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    parts = [f"## {report.title}", f"{_machine_line(report.machine)}."]
    for table in report.tables:
        head = "| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns)
        body = "\n".join("| " + " | ".join(row) + " |" for row in table.cells())
        parts.append(f"{table.title}\n\n{head}\n{body}")
    said = [f"- {check.line()}" for check in report.checks] + [f"- {note}" for note in report.notes]
    return "\n\n".join([*parts, "\n".join(said)]) + "\n"


def _text_table(table: Table) -> str:
    rows = [list(table.columns), *table.cells()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]) for row in rows
    ]
    return "\n".join(["", table.title, *(f"  {line}" for line in lines)])


def _machine_line(found: Mapping[str, Any]) -> str:
    load = " ".join(f"{value:.1f}" for value in found.get("load", ()))
    versions = ", ".join(f"{name} {found[name]}" for name in ("python", *_PACKAGES) if name in found)
    cores = f"{found.get('cores used')} of {found.get('cores')} cores"
    revision = f"revision {found.get('revision')}"
    return f"{found.get('processor')}, {cores}, load {load}; {versions}; {revision}; {found.get('time')}"


def save(folder: Path, name: str, report: Report) -> None:
    """Put a report into benchmarks.json and benchmarks.md of a folder; those of other benchmarks stay."""
    path = folder / "benchmarks.json"
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known[name] = {**_as_mapping(report), "markdown": as_markdown(report)}
    write_atomically(path, json_document(known))
    write_atomically(folder / "benchmarks.md", "# Benchmarks\n\n" + "\n".join(one["markdown"] for one in known.values()))


def _as_mapping(report: Report) -> dict[str, Any]:
    return {
        "title": report.title,
        "machine": report.machine,
        "tables": [{"title": t.title, "columns": list(t.columns), "rows": [list(row) for row in t.rows]} for t in report.tables],
        "checks": [{**vars(check), "passed": check.passed} for check in report.checks],
        "notes": list(report.notes),
    }
