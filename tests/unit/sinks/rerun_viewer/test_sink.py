"""How the viewer behaves beside a tracker: never in its way, never beyond loopback, and clear when it cannot start."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from threading import Event
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
import rerun

from reloc.errors import ConfigError, OutputError
from reloc.sinks.rerun_viewer import RerunSink, process
from reloc.sinks.sink import Sink
from tests.unit.sinks.estimates import INFO
from tests.unit.sinks.rerun_viewer.session import CAMERA, MESH, BrokenRenderer, FlatRenderer, Recording, seen, write_all

LIVE = replace(INFO, live=True, length=None)
PATIENCE_S = 30.0


def sink(tmp_path: Path, renderer: FlatRenderer | None = None) -> RerunSink:
    return RerunSink(MESH, renderer or FlatRenderer(), mode="save", path=tmp_path / "session.rrd")


def test_it_is_a_sink(tmp_path: Path) -> None:
    assert isinstance(sink(tmp_path), Sink)


@pytest.mark.filterwarnings("ignore:RRD file has no footer")
def test_a_drawing_that_hangs_does_not_hold_up_a_live_source_and_loses_no_row(tmp_path: Path) -> None:
    gate = Event()
    renderer = FlatRenderer(gate)
    viewer = sink(tmp_path, renderer)
    viewer.open(LIVE, CAMERA)
    viewer.write(seen(0))
    assert renderer.entered.wait(PATIENCE_S)
    for index in range(1, 300):
        viewer.write(seen(index))  # would wait for ever: the gate is shut
    gate.set()
    viewer.close()
    found = Recording(tmp_path / "session.rrd")
    assert list(found.column("/plots/trust/0", "Scalars:scalars")) == list(range(300))


def test_a_failure_of_the_drawing_reaches_the_next_write_of_a_live_source(tmp_path: Path) -> None:
    viewer = sink(tmp_path, BrokenRenderer())
    viewer.open(LIVE, CAMERA)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        write_until_it_fails(viewer)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        viewer.close()


def test_a_failure_of_the_drawing_does_not_leave_an_offline_writer_waiting(tmp_path: Path) -> None:
    viewer = sink(tmp_path, BrokenRenderer())
    viewer.open(INFO, CAMERA)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        write_until_it_fails(viewer)


def write_until_it_fails(viewer: RerunSink) -> None:
    for index in range(1_000_000):
        viewer.write(seen(index))


def test_a_missing_rerun_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ConfigError, match=r"pip install 'rerun-sdk==0\.41\.\*'.*--viewer none"):
        sink(tmp_path).open(INFO, CAMERA)


@pytest.mark.parametrize("version", ["0.40.1", "0.410.0", "1.0.0"])
def test_another_rerun_is_an_error_that_names_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(rerun, "__version__", version)
    with pytest.raises(ConfigError, match=rf"needs rerun-sdk 0\.41, found {version}; .*pip install"):
        sink(tmp_path).open(INFO, CAMERA)


def test_a_place_that_cannot_be_written_is_an_error_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    viewer = RerunSink(MESH, FlatRenderer(), mode="save", path=tmp_path / "file" / "session.rrd")
    with pytest.raises(OutputError, match=r"viewer's recording.*session.rrd"):
        viewer.open(INFO, CAMERA)
    viewer.close()


def test_saving_without_a_path_is_an_error() -> None:
    with pytest.raises(ConfigError, match="where"):
        RerunSink(MESH, FlatRenderer(), mode="save").open(INFO, CAMERA)


@pytest.fixture
def served() -> Iterator[RerunSink]:
    viewer = RerunSink(MESH, FlatRenderer(), mode="serve", web_port=0, grpc_port=0)
    viewer.open(LIVE, CAMERA)
    yield viewer
    viewer.close()


def listeners(port: int) -> set[str]:
    """Return the addresses on which somebody listens at `port`, as the kernel writes them."""
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    sockets = [line.split() for table in tables for line in table]
    return {
        address
        for _, local, _, state, *_ in sockets
        for address, _, number in [local.partition(":")]
        if (state, int(number, 16)) == ("0A", port)
    }


def ports(viewer: RerunSink) -> tuple[int, int]:
    page = urlsplit(viewer.url)
    (stream,) = parse_qs(page.query)["url"]
    assert page.port
    return page.port, urlsplit(stream.removeprefix("rerun+")).port or 0


def fetched(url: str) -> bytes:
    """Return the page, which the child takes a moment to serve."""
    for _ in range(1000):
        try:
            with urlopen(url, timeout=PATIENCE_S) as answer:
                return bytes(answer.read())
        except ConnectionError:
            continue
        except OSError:
            Event().wait(0.05)
    raise AssertionError("nothing is served")


def test_a_page_is_served_on_loopback_only_and_taken_down(served: RerunSink) -> None:
    served.write(seen(0))
    assert b"Rerun" in fetched(served.url)
    web_port, grpc_port = ports(served)
    assert listeners(web_port) == listeners(grpc_port) == {"0100007F"}
    served.close()
    assert listeners(web_port) == set()


def test_a_port_in_use_is_an_error_that_names_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        viewer = RerunSink(MESH, FlatRenderer(), mode="serve", web_port=port, grpc_port=0)
        with pytest.raises(ConfigError, match=f"port {port}"):
            viewer.open(LIVE, CAMERA)


def test_a_program_that_forgets_to_close_it_can_end(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\nfrom tests.unit.sinks.rerun_viewer.session import *\n"
        f"viewer = RerunSink(MESH, FlatRenderer(), mode='save', path=Path({str(tmp_path / 's.rrd')!r}))\n"
        "from tests.unit.sinks.estimates import INFO\nviewer.open(INFO, CAMERA)\nviewer.write(seen(0))\n"
    )
    subprocess.run([sys.executable, "-c", program], timeout=PATIENCE_S, check=True)


def test_closing_twice_or_unopened_is_harmless(tmp_path: Path) -> None:
    sink(tmp_path).close()
    viewer = sink(tmp_path)
    viewer.open(INFO, CAMERA)
    write_all(viewer, [seen(0)])
    viewer.close()


def test_a_window_that_does_not_open_is_told_once_and_tracking_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "viewer"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    started = []

    def start(arguments: list[str], *, ends_with_us: bool) -> Popen[bytes]:
        started.append((arguments, ends_with_us))
        child = Popen([program])
        child.wait(PATIENCE_S)
        return child

    monkeypatch.setattr(process, "start", start)
    viewer = RerunSink(MESH, FlatRenderer(), mode="spawn", grpc_port=0)
    viewer.open(LIVE, CAMERA)
    write_all(viewer, [seen(i) for i in range(5)])
    assert caplog.text.count("ended with code 3") == 1
    assert "use --viewer serve or save" in caplog.text
    ((arguments, ends_with_us),) = started
    assert arguments[:2] == ["--bind", "127.0.0.1"]
    assert arguments[arguments.index("--connect") + 1] == viewer.url
    assert not ends_with_us
