"""What tests of the server share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autodas.report.watch import WatchServer


@pytest.fixture
def serve() -> Iterator[Callable[..., WatchServer]]:
    """Starts servers on free ports, and stops them at the end."""
    servers = []

    def start(*places: Path, host: str = "127.0.0.1", port: int = 0) -> WatchServer:
        server = WatchServer(places, host, port)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
