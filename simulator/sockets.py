"""Cutting a connection without an answer, which no web framework offers.

On Linux the socket is found among the process's own files by its peer; the reset comes when the server closes it.
"""

import os
import socket
import struct
from pathlib import Path

_OPEN_FILES = Path("/proc/self/fd")


def cut(host: str, port: int) -> bool:
    """Shut the connection whose other end is `host:port`; False when it is not this process's own."""
    if not _OPEN_FILES.is_dir():
        return False
    for entry in list(_OPEN_FILES.iterdir()):
        connection = _socket_at(entry)
        if connection is None:
            continue
        with connection:
            if _peer(connection) == (host, port):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
                return True
    return False


def _socket_at(entry: Path) -> socket.socket | None:
    # Only sockets are duplicated: closing any descriptor of SQLite's file would drop this process's locks on it.
    try:
        if not str(entry.readlink()).startswith("socket:"):
            return None
        return socket.socket(fileno=os.dup(int(entry.name)))
    except OSError:
        return None


def _peer(connection: socket.socket) -> tuple[str, int] | None:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        host, port = connection.getpeername()[:2]
    except OSError:
        return None
    return host, port
