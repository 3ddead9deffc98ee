"""A small web server on loopback for one person who picks points, and whoever waits for the pose."""

from __future__ import annotations

import json
import logging
import math
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

from reloc.files import json_line
from reloc.geometry.se3 import SE3
from reloc.picking.page import PAGE
from reloc.picking.session import MOTIONS, PickingSession, Picture

HOST = "127.0.0.1"
_PATIENCE_S = 5.0
_POLL_S = 0.1
_OUR_NAMES = ("127.0.0.1", "localhost")
_LONGEST_BODY = 1 << 16
_MOST_PAIRS = 200
_JPEG_QUALITY = 90

_log = logging.getLogger(__name__)


class PickingServer:
    """Serves the page of a session at an address that nobody can guess, until a pose is accepted."""

    def __init__(self, session: PickingSession) -> None:
        self._accepted = threading.Event()
        self._session = session
        self._token = secrets.token_urlsafe(16)
        self._server = _Server(_Answers(session, self._accepted.set), f"/{self._token}/")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="reloc-picking", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self._server.server_address[1]}/{self._token}/"

    def wait(self, timeout_s: float | None = None) -> SE3 | None:
        """Return camera_from_world once it is accepted; None if that has not happened within the time."""
        if not self._accepted.wait(timeout_s) or self._session.solved is None:
            return None
        return self._session.solved.camera_from_world

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_PATIENCE_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Else closing would wait for whoever is still connected.
    block_on_close = False

    def __init__(self, answers: _Answers, prefix: str) -> None:
        super().__init__((HOST, 0), _Handler)
        self.answers, self.prefix = answers, prefix

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.info("a request to the picking page broke off", exc_info=True)


class _Answers:
    """What is asked for by name, and what is answered: the rules of the page without those of HTTP."""

    def __init__(self, session: PickingSession, accept: Callable[[], None]) -> None:
        self._session, self._accept = session, accept
        self.posts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "show": self._show, "move": self._move, "point": self._point, "solve": self._solve, "accept": self._accepted,
        }  # fmt: skip

    def page(self) -> bytes:
        camera = self._session.camera
        facts = {"views": len(self._session.views), "motions": MOTIONS, "width": camera.width, "height": camera.height}
        return PAGE.replace("/*FACTS*/", json_line(facts)).encode()

    def picture(self, name: str) -> bytes | None:
        """Return a JPEG by its name, or None where there is no such picture."""
        session = self._session
        if name.startswith("view-") and name[5:].isdecimal() and int(name[5:]) < len(session.views):
            return _jpeg(session.thumbnail(int(name[5:])))
        found = {"image": lambda: session.image, "map": session.picture, "overlay": session.overlay}.get(name)
        picture = None if found is None else found()
        return None if picture is None else _jpeg(picture)

    def _show(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._session.show(int(_number(asked, "view")))
        return {}

    def _move(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._session.move(str(asked.get("motion")))
        return {}

    def _point(self, asked: dict[str, Any]) -> dict[str, Any]:
        point = self._session.point(_number(asked, "u"), _number(asked, "v"))
        if point is None:
            raise ValueError("there is nothing of the map at that place")
        return {"point": point}

    def _solve(self, asked: dict[str, Any]) -> dict[str, Any]:
        pairs = asked.get("pairs")
        if not isinstance(pairs, list) or len(pairs) > _MOST_PAIRS:
            raise ValueError(f"a list of up to {_MOST_PAIRS} pairs was expected")
        try:
            values = np.array(pairs, dtype=np.float64).reshape(-1, 5)
        except (TypeError, ValueError) as error:
            raise ValueError("a pair is five numbers: u, v, x, y, z") from error
        if not np.isfinite(values).all():
            raise ValueError("a pair is five finite numbers: u, v, x, y, z")
        return {"errors_px": self._session.solve(values[:, :2].copy(), values[:, 2:].copy()).errors_px}

    def _accepted(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self._session.solved is None:
            raise ValueError("there is no pose yet")
        self._accept()
        return {}


def _number(asked: dict[str, Any], name: str) -> float:
    value = asked.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is to be a number")
    return float(value)


def _jpeg(picture: Picture) -> bytes:
    data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return bytes(data.tobytes())


class _Handler(BaseHTTPRequestHandler):
    """Speaks HTTP with one who has connected; the library makes one for each."""

    server: _Server
    timeout = _PATIENCE_S
    server_version, sys_version = "reloc", ""

    def do_GET(self) -> None:
        """Serve the page, or one of its pictures by its name."""
        name = self._asked_for()
        if name is None:
            return
        if name == "":
            self._answer(200, "text/html; charset=utf-8", self.server.answers.page())
            return
        picture = self.server.answers.picture(name.partition("?")[0].removesuffix(".jpg"))
        if picture is None:
            self.send_error(404)
        else:
            self._answer(200, "image/jpeg", picture)

    def do_POST(self) -> None:
        """Do what the page asks for with a JSON object, and answer with another; 400 and `error` where it cannot be done."""
        name = self._asked_for()
        if name is None:
            return
        if name not in self.server.answers.posts:
            self.send_error(404)
            return
        try:
            found = self.server.answers.posts[name](self._body())
        except ValueError as error:
            self._answer(400, "application/json", json_line({"error": str(error)}).encode())
        else:
            self._answer(200, "application/json", json_line(found).encode())

    def _asked_for(self) -> str | None:
        """Return what is asked for below the secret path, or answer that there is nothing and return None."""
        if self.headers.get("Host", "").rpartition(":")[0] not in _OUR_NAMES:
            self.send_error(403)
        elif not secrets.compare_digest(self.path[: len(self.server.prefix)].encode(), self.server.prefix.encode()):
            self.send_error(404)
        else:
            return self.path[len(self.server.prefix) :]
        return None

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LONGEST_BODY:
            raise ValueError("a short body of JSON was expected")
        try:
            asked = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise ValueError("this is not JSON") from error
        if not isinstance(asked, dict):
            raise ValueError("an object was expected")
        return asked

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        _log.debug(format, *arguments)
