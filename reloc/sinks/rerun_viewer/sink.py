"""The sink: a recording on disk, a window, or a page for a browser, filled by a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from subprocess import Popen
from typing import Any, Literal

from reloc.errors import ConfigError, OutputError, RelocError
from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.sinks.rerun_viewer import address, process
from reloc.sinks.rerun_viewer.feed import PictureClock, row_of
from reloc.sinks.rerun_viewer.mailbox import Mailbox
from reloc.sinks.rerun_viewer.scene import Scene
from reloc.sources.source import SourceInfo

logger = logging.getLogger(__name__)

Mode = Literal["save", "spawn", "serve"]
_RERUN_VERSION = "0.41"
_REPAIR = f"install it with: pip install 'rerun-sdk=={_RERUN_VERSION}.*', or track without a viewer (--viewer none)"
_CLOSE_TIMEOUT_S = 20.0
# Beside a tracker the drawing thread may take a quarter of one core for pictures, however slow the machine.
_REST_PER_WORK = 3


class RerunSink:
    """Shows the session in Rerun: `save` writes `path`, `spawn` opens a window, `serve` serves a page at `url` on loopback.

    A recorded source into a file gives the same recording every time: pictures at `rate_hz` of the frames' own time, and `write`
    waits where the drawing thread is behind. Otherwise `write` never waits: the newest frame wins, at most `rate_hz` times a
    second of our time, less often where the machine is slow.
    """

    def __init__(
        self,
        mesh: TexturedMesh,
        renderer: Renderer,
        *,
        mode: Mode,
        path: Path | None = None,
        web_port: int = 9090,
        grpc_port: int = 9876,
        rate_hz: float = 10.0,
        image_width: int = 640,
        jpeg_quality: int = 80,
        memory_limit: str = "512MiB",
        bind_ip: str = "127.0.0.1",
    ) -> None:
        self._mesh, self._renderer = mesh, renderer
        self._mode, self._path = mode, path
        self._web_port, self._grpc_port, self._bind_ip = web_port, grpc_port, bind_ip
        self._rate_hz, self._image_width, self._jpeg_quality = rate_hz, image_width, jpeg_quality
        self._memory_limit = memory_limit
        self._url = ""
        self._stream: Any = None
        self._child: Popen[bytes] | None = None
        self._child_reported = False
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None

    @property
    def url(self) -> str:
        """Where to see it: the page of `serve`, the file of `save`; empty before `open`."""
        return self._url

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Open the file or the server and start the drawing thread.

        Raises `ConfigError` where rerun is missing, a port is taken or a setting makes no sense, `OutputError` where the file
        cannot be written.
        """
        self._stream = _new_stream()
        try:
            self._connect(info)
        except RelocError:
            self._release()
            raise
        self._lossless = self._mode == "save" and not info.live
        self._clock = PictureClock(self._rate_hz)
        self._mailbox = Mailbox(lossless=self._lossless)
        self._scene = Scene(self._stream, self._mesh, self._renderer, self._image_width, self._jpeg_quality)
        # A daemon: a program that fails elsewhere and forgets to close us must still be able to end.
        self._thread = threading.Thread(target=self._draw_to_the_end, args=(camera,), name="reloc-viewer", daemon=True)
        self._thread.start()

    def write(self, estimate: Estimate) -> None:
        """Leave the estimate for the drawing thread. Raises what broke that thread, if anything did."""
        if self._failure is not None:
            raise self._failure
        now_ns = estimate.frame.timestamp_ns if self._lossless else time.monotonic_ns()
        self._mailbox.put(row_of(estimate), estimate if self._clock.due(now_ns) else None)

    def close(self) -> None:
        """Draw what is left, finish the file, stop the server."""
        if self._thread is None:
            return
        self._mailbox.close()
        self._thread.join(_CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            logger.warning("the viewer still draws after %d s and is left behind", _CLOSE_TIMEOUT_S)
        self._release()
        if self._failure is not None:
            raise self._failure

    def _draw_to_the_end(self, camera: PinholeCamera) -> None:
        """Run in the drawing thread."""
        try:
            self._draw(camera)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next `write` raises it
            self._failure = error
        finally:
            self._mailbox.close()  # a `write` that waits for this thread must not wait for a dead one

    def _draw(self, camera: PinholeCamera) -> None:
        timeout_s = None if self._lossless else 1.0 / self._rate_hz
        self._scene.log_start(camera)
        is_last = False
        while not is_last:
            delivery = self._mailbox.take(timeout_s)
            self._scene.log_rows(delivery.rows)
            if delivery.picture is not None:
                self._make_pictures(delivery.picture)
            self._watch_child()
            is_last = delivery.is_last

    def _make_pictures(self, estimate: Estimate) -> None:
        begin_ns = time.monotonic_ns()
        self._scene.log_pictures(estimate)
        end_ns = time.monotonic_ns()
        if not self._lossless:
            self._clock.rest(end_ns + _REST_PER_WORK * (end_ns - begin_ns))

    def _watch_child(self) -> None:
        """Tell once where the window or the page's server has failed; tracking goes on."""
        code = None if self._child is None or self._child_reported else self._child.poll()
        if code:  # a window that was closed ends with 0
            self._child_reported = True
            advice = " Without a display use --viewer serve or save." if self._mode == "spawn" else ""
            logger.warning("the viewer's program has ended with code %d.%s", code, advice)

    def _connect(self, info: SourceInfo) -> None:
        if self._mode == "save":
            self._save(long_running=info.live)
        else:
            self._listen()

    def _save(self, *, long_running: bool) -> None:
        import rerun as rr

        if self._path is None:
            raise ConfigError("the viewer is to save a recording, but was not told where; expected a path that ends in .rrd")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # The footer's index is kept in memory until the end, which may be days away.
            file = rr.FileSink(self._path, write_footer=not long_running)
            self._stream.set_sinks(file)
        except (OSError, RuntimeError) as error:
            raise OutputError(
                f"cannot write the viewer's recording: {error}; check the folder, rights and space", self._path
            ) from error
        self._url = str(self._path)

    def _listen(self) -> None:
        """Serve the stream from this process, and start the window or the page's server as a child."""
        ip, memory = address.checked_ip(self._bind_ip), address.checked_memory(self._memory_limit)
        hosts = address.reachable_hosts(ip)
        grpc_port = address.free_port(ip, self._grpc_port)
        if self._mode == "spawn":
            self._serve_stream(ip, grpc_port, memory, [])
            self._url = address.stream_uri(hosts[0], grpc_port)
            window = ["--connect", self._url, "--memory-limit", memory, "--hide-welcome-screen"]
            self._child = process.start(["--bind", ip, *window], ends_with_us=False)
            return
        web_port = address.free_port(ip, self._web_port)
        self._serve_stream(ip, grpc_port, memory, [f"http://{host}:{web_port}" for host in hosts])
        self._url = address.page_url(hosts[0], web_port, grpc_port)
        page = ["--serve-web", address.stream_uri(hosts[0], grpc_port), "--web-viewer-port", str(web_port)]
        self._child = process.start(["--bind", ip, *page], ends_with_us=True)
        logger.info("the viewer is at %s", self._url)

    def _serve_stream(self, ip: str, port: int, memory: str, origins: list[str]) -> None:
        import rerun as rr

        server = rr.GrpcServerSink(bind_ip=ip, port=port, server_memory_limit=memory, cors_allow_origin=origins)
        self._stream.set_sinks(server)

    def _release(self) -> None:
        """Send what is still on its way, close the file or the server, stop the page."""
        try:
            self._stream.flush(timeout_sec=5.0)
        except RuntimeError as error:
            logger.warning("the viewer did not take the end of the session: %s", error)
        self._stream.disconnect()
        if self._child is not None and self._mode == "serve":
            process.stop(self._child)


def _new_stream() -> Any:
    """Return a Rerun stream of our own with exactly the timelines that we set."""
    try:
        import rerun as rr
    except ImportError as error:
        raise ConfigError(f"the viewer needs rerun-sdk, which cannot be imported ({error}); {_REPAIR}") from error
    if not rr.__version__.startswith(f"{_RERUN_VERSION}."):
        raise ConfigError(f"the viewer needs rerun-sdk {_RERUN_VERSION}, found {rr.__version__}; {_REPAIR}")
    stream = rr.RecordingStream("reloc")
    stream.set_log_time_enabled(False)
    stream.set_log_tick_enabled(False)
    return stream
