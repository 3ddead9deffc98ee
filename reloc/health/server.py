"""A small web server on loopback that answers two questions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from reloc.errors import ConfigError
from reloc.files import json_document

HOST = "127.0.0.1"
# Whoever connects and then says nothing is let go of.
_PATIENCE_S = 5.0
_POLL_S = 0.1
# A web page somewhere may make a browser here ask under a name of its own; only this machine's names are answered.
_OUR_NAMES = ("127.0.0.1", "localhost")
# Each question has a thread of its own; who asks more at once than monitors do is hung up on.
_MOST_AT_ONCE = 16

_log = logging.getLogger(__name__)


class HealthServer:
    """Answers `/health` with 200, or 503 where something is wrong, and `/metrics`; threads of its own, loopback only."""

    def __init__(self, port: int, health: Callable[[], dict[str, Any]], metrics: Callable[[], bytes]) -> None:
        """Listen on `port`, or any free one where that is 0. Raises `ConfigError` where the port is taken."""
        handler = _handler(health, metrics)
        try:
            self._server = _Server((HOST, port), handler)
        except OSError as error:
            raise ConfigError(
                f"health cannot be served on {HOST} port {port}: {error.strerror}; choose another with --health-port N "
                "(0 takes any that is free), or --health-port off"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="reloc-health", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_PATIENCE_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Else closing would wait for whoever is still connected.
    block_on_close = False
    # Someone else's server on this port is an error, not to be shared with.
    allow_reuse_port = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.info("a question about health broke off", exc_info=True)


def _handler(health: Callable[[], dict[str, Any]], metrics: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    """Return the class that the library makes one of for each connection."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE_S
        server_version, sys_version = "reloc", ""

        def do_GET(self) -> None:
            if self.headers.get("Host", "").partition(":")[0] not in _OUR_NAMES:
                self.send_error(403)
            elif self.path == "/health":
                report = health()
                self._answer(200 if report["ok"] else 503, "application/json", json_document(report).encode())
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics())
            else:
                self.send_error(404, "there are /health and /metrics")

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            _log.debug(format, *arguments)

    return Handler
