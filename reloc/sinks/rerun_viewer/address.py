"""Where the viewer listens: on loopback, unless somebody asks for more."""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from urllib.parse import quote

from reloc.errors import ConfigError

logger = logging.getLogger(__name__)

_MEMORY = re.compile(r"\d+(\.\d+)?\s*([kMGT]i?)?B|\d{1,2}(\.\d+)?%|100%")


def checked_ip(bind_ip: str) -> str:
    """Return an IPv4 address to listen on. Raises `ConfigError` for anything else; warns where other machines can look."""
    try:
        address = ipaddress.IPv4Address(bind_ip)
    except ValueError as error:
        raise ConfigError(
            f"the viewer cannot listen on `{bind_ip}`; expected an IPv4 address of this machine, such as 127.0.0.1, "
            "or 0.0.0.0 for all of them"
        ) from error
    if not address.is_loopback:
        logger.warning("the viewer listens on %s: whoever can reach this machine can look on, without a password", address)
    return str(address)


def checked_memory(limit: str) -> str:
    """Return an amount of memory as Rerun takes it, such as 512MiB, 2GB or 10%. Raises `ConfigError` for anything else."""
    if not _MEMORY.fullmatch(limit):
        raise ConfigError(f"the viewer's memory limit is `{limit}`; expected an amount such as 512MiB, 2GB or 10%")
    return limit


def free_port(bind_ip: str, wanted: int) -> int:
    """Return `wanted`, or any free port where that is 0. Raises `ConfigError` where it cannot be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind_ip, wanted))
        except OSError as error:
            raise ConfigError(
                f"the viewer cannot listen on {bind_ip} port {wanted}: {error.strerror}; "
                "close the program that uses it, or choose another port (0 takes any that is free)"
            ) from error
        return int(probe.getsockname()[1])


def reachable_hosts(bind_ip: str) -> list[str]:
    """Return the names under which a browser may reach what listens on `bind_ip`, the one to tell people first."""
    if bind_ip != "0.0.0.0":
        return [bind_ip]
    name = socket.gethostname()
    try:
        addresses = socket.gethostbyname_ex(name)[2]
    except OSError:  # a machine that does not know its own name
        addresses = []
    return [name, *addresses, "127.0.0.1", "localhost"]


def stream_uri(host: str, grpc_port: int) -> str:
    """Return where a viewer finds the stream."""
    return f"rerun+http://{host}:{grpc_port}/proxy"


def page_url(host: str, web_port: int, grpc_port: int) -> str:
    """Return what to open in a browser to see the stream."""
    return f"http://{host}:{web_port}/?url={quote(stream_uri(host, grpc_port), safe='')}"
