from __future__ import annotations

import logging
import socket
from urllib.parse import parse_qs, urlsplit

import pytest

from reloc.errors import ConfigError
from reloc.sinks.rerun_viewer import address


def test_a_port_that_is_taken_is_an_error_that_names_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1 port {port}"):
            address.free_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.7 port 0"):
        address.free_port("192.0.2.7", 0)


def test_any_free_port_can_be_had() -> None:
    found = address.free_port("127.0.0.1", 0)
    with socket.socket() as now:
        now.bind(("127.0.0.1", found))


@pytest.mark.parametrize("wrong", ["", "localhost", "::1", "127.0.0", "127.0.0.1:80", "*"])
def test_what_is_no_address_is_an_error_that_shows_one(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"such as 127\.0\.0\.1"):
        address.checked_ip(wrong)


@pytest.mark.parametrize(("ip", "warnings"), [("127.0.0.1", 0), ("127.3.2.1", 0), ("0.0.0.0", 1), ("192.168.1.5", 1)])
def test_only_what_other_machines_can_reach_is_warned_of(ip: str, warnings: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert address.checked_ip(ip) == ip
    assert caplog.text.count("without a password") == warnings


@pytest.mark.parametrize("limit", ["512MiB", "2GB", "1.5GiB", "10%", "100%", "900000B"])
def test_amounts_of_memory(limit: str) -> None:
    assert address.checked_memory(limit) == limit


@pytest.mark.parametrize("limit", ["", "lots", "-5MB", "512", "120%", "5 apples", "1e9B"])
def test_what_is_no_amount_of_memory_is_an_error(limit: str) -> None:
    with pytest.raises(ConfigError, match="expected an amount such as 512MiB"):
        address.checked_memory(limit)


def test_loopback_is_reached_by_its_number_only() -> None:
    assert address.reachable_hosts("127.0.0.1") == ["127.0.0.1"]


def test_all_addresses_are_reached_by_the_name_of_the_machine() -> None:
    found = address.reachable_hosts("0.0.0.0")
    assert found[0] == socket.gethostname()
    assert "127.0.0.1" in found


def test_a_machine_that_does_not_know_its_name_can_still_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "gethostbyname_ex", unknown)
    assert address.reachable_hosts("0.0.0.0") == [socket.gethostname(), "127.0.0.1", "localhost"]


def test_the_page_is_told_where_the_stream_is() -> None:
    found = urlsplit(address.page_url("robot", 9090, 9876))
    assert (found.scheme, found.netloc) == ("http", "robot:9090")
    assert parse_qs(found.query) == {"url": ["rerun+http://robot:9876/proxy"]}
