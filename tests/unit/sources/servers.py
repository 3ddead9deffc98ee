"""Network cameras on 127.0.0.1: Motion JPEG over HTTP, and H.264 over RTSP."""

from __future__ import annotations

import base64
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

PERIOD_S = 0.01


class HttpCamera:
    """Serves the given bodies, one piece every 10 ms, then hangs or closes."""

    def __init__(self, content_type: str, pieces: Sequence[bytes], *, endless: bool = False, then_hangs: bool = False) -> None:
        self._stop = stop = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                if not content_type.startswith("multipart"):
                    self.send_header("Content-Length", str(sum(map(len, pieces))))
                self.end_headers()
                try:
                    for piece in itertools.cycle(pieces) if endless else pieces:
                        self.wfile.write(piece)
                        stop.wait(PERIOD_S)
                        assert not stop.is_set()
                    stop.wait(20 if then_hangs else 0)
                except (OSError, AssertionError):
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def motion_jpeg(pictures: Sequence[NDArray[np.uint8]]) -> list[bytes]:
    """The parts of a multipart/x-mixed-replace; boundary=frame answer."""
    return [_part(cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes()) for rgb in pictures]


def _part(jpeg: bytes) -> bytes:
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)


class RtspCamera:
    """H.264 over RTSP (RFC 2326), its packets (RFC 6184) interleaved in the connection; for one client after another."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], ticks: Sequence[int], *, then_hangs: bool = False) -> None:
        self._units = _encoded(pictures)
        self._ticks = ticks
        self._hangs = then_hangs
        self._stop = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve)
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                try:
                    self._talk(connection)
                except OSError:
                    continue

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        answers: dict[str, Callable[[], tuple[str, bytes]]] = {
            "OPTIONS": lambda: ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", b""),
            "DESCRIBE": lambda: ("Content-Type: application/sdp\r\n", self._description()),
            "SETUP": lambda: ("Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", b""),
            "PLAY": lambda: ("Session: 1\r\n", b""),
        }
        for request in iter(lambda: _request(connection), ""):
            method = request.split()[0]
            self.requests.append(method)
            if method not in answers:
                return
            head, body = answers[method]()
            sequence = next(line for line in request.splitlines() if line.lower().startswith("cseq"))
            connection.sendall(f"RTSP/1.0 200 OK\r\n{sequence}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            if method == "PLAY":
                self._play(connection)
                return

    def _description(self) -> bytes:
        sets = ",".join(base64.b64encode(unit).decode() for unit in self._units[0] if unit[0] & 31 in (7, 8))
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:track1\r\n"
        ).encode()

    def _play(self, connection: socket.socket) -> None:
        number = itertools.count()
        for units, tick in zip(self._units, self._ticks, strict=True):
            for unit in units:
                last = unit is units[-1]
                packet = struct.pack(">BBHII", 0x80, 96 | (0x80 if last else 0), next(number), tick, 7) + unit
                connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
            self._stop.wait(PERIOD_S)
        self._stop.wait(20 if self._hangs else 0)


def _request(connection: socket.socket) -> str:
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        got = connection.recv(1)
        if not got:
            return ""
        text += got
    return text.decode()


def _encoded(pictures: Sequence[NDArray[Any]]) -> list[list[bytes]]:
    """The H.264 units of each picture, without start codes."""
    height, width = pictures[0].shape[:2]
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.time_base = width, height, "yuv420p", Fraction(1, 30)
    context.options = {"tune": "zerolatency", "crf": "5", "g": "5", "preset": "veryfast"}
    units = []
    for i, image in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = i
        data = b"".join(bytes(packet) for packet in context.encode(frame))
        units.append([unit for unit in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit])
    return units
