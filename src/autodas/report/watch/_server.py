"""Read-only server with access control."""

from __future__ import annotations

import errno
import hmac
import ipaddress
import secrets
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import quote, unquote

from autodas.errors import AutodasError
from autodas.report.page import page_around, render_main
from autodas.report.watch._list import render_list, render_rows
from autodas.report.watch._runs import WatchedRuns
from autodas.runs.reading import name_of
from autodas.terminal import message

_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"


_KEPT = 16
"""Number of pages kept in memory."""

_LONG = 0.5
_REST = 4
"""A page that takes more than ``_LONG`` seconds to compute is not updated before ``_REST`` times as long has
passed, since a run writes every second."""


@dataclass(frozen=True)
class _Page:
    """Page of a run.

    Args:
        version: version of the run.
        main: content of its ``main`` element.
        made: monotonic time of completion.
        took: CPU time of its computation in seconds.
    """

    version: str
    main: str
    made: float
    took: float

    @property
    def recent(self) -> bool:
        """Whether it is too early for an update."""
        return self.took > _LONG and time.monotonic() - self.made < _REST * self.took


class WatchServer(ThreadingTCPServer):
    """Server of the pages of runs, started by :meth:`serve_forever`.

    ``/`` is the list of runs, or redirects to the only run. ``/RUN/`` is the page of a run, ``/RUN/main`` its
    new content for the script when ``/RUN/version`` has changed. If the server is reachable from other
    machines, all addresses start with a random token, without which nothing is accessible.

    Args:
        places: run folders, and folders with runs.
        host: address to listen on.
        port: port to listen on; 0 for any free one.

    Raises:
        AutodasError: if a folder does not exist, or the address cannot be used.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, places: Sequence[str | Path], host: str = "127.0.0.1", port: int = 8765) -> None:
        self.runs = WatchedRuns(places)
        self.token = None if _is_loopback(host) else secrets.token_urlsafe(16)
        self.pages: dict[str, _Page] = {}
        self.rendering = threading.Lock()
        self.host = host
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Request)
        except (OSError, OverflowError) as error:
            raise AutodasError(_why_not(host, port, error)) from error

    @property
    def address(self) -> str:
        """URL of the server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_address[1]}/{f'{self.token}/' if self.token else ''}"

    def version_of(self, name: str) -> str:
        """Return the version of a run's page, the existing one while it is too early for an update."""
        page = self.pages.get(name)
        return page.version if page is not None and page.recent else self.runs.version(name)

    def page_of(self, name: str, folder: Path) -> _Page:
        """Return the page of a run, made once for all clients."""
        with self.rendering:
            # Take the version first, so that files written meanwhile lead to another version.
            version, start = self.version_of(name), time.thread_time()
            page = self.pages.pop(name, None)
            if page is None or page.version != version:
                main = render_main([folder])
                page = _Page(version, main, time.monotonic(), time.thread_time() - start)
            self.pages[name] = page  # last, as the most recently used
            while len(self.pages) > _KEPT:
                del self.pages[next(iter(self.pages))]
            return page

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the error of a request as one line; lost connections are ignored."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(
                f"autodas: a request failed: {type(error).__name__}: {message(str(error))}", file=sys.stderr
            )


class _Request(BaseHTTPRequestHandler):
    server: WatchServer
    server_version, sys_version = "autodas", ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        try:
            self._answer(*self._found())
        except AutodasError as error:
            self._answer(HTTPStatus.NOT_FOUND, f"{error}\n")
        except ConnectionError:
            raise
        except Exception as error:
            said = f"cannot show this page: {type(error).__name__}: {error}"
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"{said}\n")

    do_HEAD = do_GET  # noqa: N815

    def _found(self) -> tuple[HTTPStatus, str, str, dict[str, str]]:
        """Return the response: status, text, content type, further headers."""
        server, runs = self.server, self.server.runs
        if server.token is None and not _is_loopback(_host(self.headers.get("Host", ""))):
            # Prevents DNS rebinding: a foreign page whose host name now resolves to this machine.
            return HTTPStatus.FORBIDDEN, "open this page under 127.0.0.1 or localhost\n", _TEXT, {}
        # Folder names need not be valid UTF-8; invalid bytes pass through unchanged.
        path = unquote(self.path.partition("?")[0], errors="surrogateescape").removeprefix("/")
        if server.token is not None:
            token, slash, path = path.partition("/")
            if not hmac.compare_digest(token.encode("utf-8", "replace"), server.token.encode()):
                return _nothing()
            if not slash:
                return _moved(token)
        if path == "" and runs.single is not None:
            return _moved(runs.single)
        name, _, part = path.rpartition("/")
        if name == "":
            return self._list(part)
        folder = runs.folder(name)
        if folder is None:
            return _moved(part) if runs.folder(path) else _nothing()
        if part == "version":
            return HTTPStatus.OK, server.version_of(name), _TEXT, {}
        if part == "main":
            made = server.page_of(name, folder)
            return HTTPStatus.OK, made.main, _HTML, {"X-Version": made.version}
        if part == "":
            made = server.page_of(name, folder)
            page = self._with_way_back(name, page_around(made.main, name_of(folder), live=True))
            return HTTPStatus.OK, _alive(page, made.version), _HTML, {}
        return _moved(part) if runs.folder(path) else _nothing()

    def _with_way_back(self, name: str, page: str) -> str:
        """Return the page of a run with a link to the list of runs, if there is one."""
        if self.server.runs.single is not None:
            return page
        link = f'<nav><a href="{"../" * (1 + name.count("/"))}">All runs</a></nav>\n'
        return page.replace("<main", f"{link}<main", 1)

    def _list(self, part: str) -> tuple[HTTPStatus, str, str, dict[str, str]]:
        runs = self.server.runs
        if part == "version":
            return HTTPStatus.OK, runs.version(*runs.names()), _TEXT, {}
        version = runs.version(*runs.names())
        if part == "main":
            return HTTPStatus.OK, render_rows(runs), _HTML, {"X-Version": version}
        if part == "":
            return HTTPStatus.OK, _alive(render_list(runs), version), _HTML, {}
        return _moved(part) if runs.folder(part) else _nothing()

    def _refused(self) -> None:
        self.close_connection = True  # the request's body is not read
        self._answer(
            HTTPStatus.METHOD_NOT_ALLOWED, "this server is read-only\n", _TEXT, {"Allow": "GET, HEAD"}
        )

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refused  # noqa: N815

    def _answer(
        self, status: HTTPStatus, text: str, kind: str = _TEXT, headers: dict[str, str] | None = None
    ) -> None:
        content = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer an invalid request with a line of text."""
        self.close_connection = True
        self._answer(HTTPStatus(code), f"{message or HTTPStatus(code).phrase}\n")

    def log_message(self, *what: Any) -> None:
        """Log nothing, since requests arrive every second."""


def _nothing() -> tuple[HTTPStatus, str, str, dict[str, str]]:
    return HTTPStatus.NOT_FOUND, "no such run\n", _TEXT, {}


def _moved(where: str) -> tuple[HTTPStatus, str, str, dict[str, str]]:
    # Relative, so that it also works below the token.
    return HTTPStatus.FOUND, "", _TEXT, {"Location": f"{quote(where, errors='surrogateescape')}/"}


_STYLE = """
nav { max-width: 72rem; margin: 0 auto; padding: 0.6rem 1rem 0; }
#watch { position: sticky; bottom: 0; margin: 0; max-width: none; text-align: center; }
#watch:not(:empty) { padding: 0.5rem; background: var(--alarm); color: var(--paper); }
"""


def _alive(page: str, version: str) -> str:
    """Return a page with the script for live updates."""
    script = files("autodas.report.watch").joinpath("watch.js").read_text(encoding="utf-8")
    before, end, after = page.rpartition("</body>")
    status = f'<p id="watch" role="status" data-version="{version}"></p>\n'
    return f"{before}{status}<style>{_STYLE}</style>\n<script>\n{script}</script>\n{end}{after}"


def _host(header: str) -> str:
    """Return the host of a Host header, without port and brackets."""
    return header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _why_not(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use; choose another one with --port, or any free one with --port 0"
        )
    if number == errno.EACCES or isinstance(error, OverflowError):
        return f"port {port} of {host} cannot be used; choose one from 1024 to 65535 with --port"
    return f"cannot listen on {host}: {getattr(error, 'strerror', None) or error}; choose another --host"
