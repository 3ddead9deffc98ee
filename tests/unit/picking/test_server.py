from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from reloc.picking import PickingServer, PickingSession
from tests.scenes import room
from tests.unit.picking.test_session import CAMERA, IMAGE, PIXELS, TRUE, points_at
from tests.unit.places.known_room import pose_at

PATIENCE_S = 20.0


class Visitor:
    """Somebody with a browser."""

    def __init__(self) -> None:
        self.session = PickingSession(room(), CAMERA, IMAGE, [pose_at(0.0), pose_at(3.0)])
        self.server = PickingServer(self.session)
        self.port = urlsplit(self.server.url).port or 0
        self.path = urlsplit(self.server.url).path

    def ask(self, method: str, path: str, body: bytes | None = None, host: str | None = None) -> tuple[int, str, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        headers = {} if host is None else {"Host": host}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.getheader("Content-Type") or "", answer.read()
        connection.close()
        return found

    def get(self, name: str) -> tuple[int, str, bytes]:
        return self.ask("GET", self.path + name)

    def post(self, name: str, content: object) -> tuple[int, Any]:
        code, _, body = self.ask("POST", self.path + name, json.dumps(content).encode())
        return code, json.loads(body)


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    made = Visitor()
    yield made
    made.server.close()


def _pairs(count: int = 5) -> list[list[float]]:
    return np.hstack([PIXELS, points_at(PIXELS)])[:count].tolist()


def test_a_pose_is_found_by_clicks_and_handed_to_whoever_waits(visitor: Visitor) -> None:
    assert visitor.server.wait(0) is None
    code, kind, page = visitor.get("")
    assert (code, kind) == (200, "text/html; charset=utf-8")
    assert b'"views": 2' in page
    assert b'"width": 320' in page
    assert visitor.post("show", {"view": 1}) == (200, {})
    assert visitor.post("move", {"motion": "turn left"}) == (200, {})
    code, found = visitor.post("point", {"u": 320, "v": 240})
    np.testing.assert_allclose(found["point"], visitor.session.point(320, 240))
    code, found = visitor.post("solve", {"pairs": _pairs()})
    assert code == 200
    assert max(found["errors_px"]) < 0.05
    assert visitor.server.wait(0) is None
    assert visitor.post("accept", {}) == (200, {})
    pose = visitor.server.wait(PATIENCE_S)
    assert pose is not None
    np.testing.assert_allclose(pose.matrix, TRUE.matrix, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "size"), [("image.jpg", (240, 320)), ("map.jpg", (480, 640)), ("map.jpg?7", (480, 640)), ("view-1.jpg", (120, 160))]
)
def test_pictures_are_jpegs(visitor: Visitor, name: str, size: tuple[int, int]) -> None:
    code, kind, body = visitor.get(name)
    assert (code, kind) == (200, "image/jpeg")
    assert cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR).shape[:2] == size


def test_the_overlay_comes_with_the_pose(visitor: Visitor) -> None:
    assert visitor.get("overlay.jpg")[0] == 404
    visitor.post("solve", {"pairs": _pairs()})
    assert visitor.get("overlay.jpg?1")[0] == 200


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("solve", {"pairs": [[1, 2, 3, 4, 5]] * 3}, "at least 4 pairs"),
        ("solve", {"pairs": [[1, 2, 3]]}, "five numbers"),
        ("solve", {"pairs": [["a", 2, 3, 4, 5]]}, "five numbers"),
        ("solve", {"pairs": [[1, 2, 3, 4, None]] * 4}, "five"),
        ("solve", {"pairs": "all"}, "a list of up to 200 pairs"),
        ("solve", {"pairs": [[1, 2, 3, 4, 5]] * 201}, "a list of up to 200 pairs"),
        ("point", {"u": 1}, "v is to be a number"),
        ("point", {"u": "1", "v": 2}, "u is to be a number"),
        ("point", {"u": -5, "v": 2}, "nothing of the map"),
        ("show", {"view": 2}, "there are 2 views"),
        ("show", {"view": float("nan")}, "view is to be a number"),
        ("move", {"motion": "fly"}, "the motions are"),
        ("move", [], "an object was expected"),
        ("accept", {}, "there is no pose yet"),
    ],
)
def test_what_makes_no_sense_is_explained(visitor: Visitor, name: str, content: object, message: str) -> None:
    code, found = visitor.post(name, content)
    assert code == 400
    assert message in found["error"]
    assert visitor.server.wait(0) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 60_000, b"x" * 70_000, b"\xff\xfe"])
def test_what_is_no_json_is_refused(visitor: Visitor, body: bytes) -> None:
    assert visitor.ask("POST", visitor.path + "move", body)[0] == 400


def test_without_the_secret_there_is_nothing(visitor: Visitor) -> None:
    for path in ("/", "/image.jpg", visitor.path[::-1], visitor.path[:-1], visitor.path + "../image.jpg"):
        assert visitor.ask("GET", path)[0] == 404
    assert visitor.ask("POST", "/accept", b"{}")[0] == 404
    assert visitor.ask("POST", visitor.path + "image.jpg", b"{}")[0] == 404
    assert len(visitor.path) > 20


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.2:1"])
def test_it_answers_to_names_of_this_machine_only(visitor: Visitor, host: str) -> None:
    assert visitor.ask("GET", visitor.path, host=host)[0] == 403
    assert visitor.ask("POST", visitor.path + "accept", b"{}", host=host)[0] == 403


def test_it_listens_on_loopback_only(visitor: Visitor) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", visitor.port), timeout=PATIENCE_S)


def test_two_pages_have_two_secrets(visitor: Visitor) -> None:
    other = Visitor()
    other.server.close()
    assert other.path != visitor.path
