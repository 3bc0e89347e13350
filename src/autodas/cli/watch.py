"""``autodas watch``: runs in a browser, while they go on."""

from __future__ import annotations

from dataclasses import dataclass, field

from autodas.cli.config._configuration import parse


@dataclass(frozen=True)
class WatchConfig:
    """Show runs in a browser while they go on, and afterwards: the page of 'autodas report', which follows
    them. Nothing is written. Ctrl-C stops it.

    Args:
        runs: run folders, or folders with runs somewhere below.
        host: address to listen on; anything but this machine itself puts a random word into the address of
            the page, without which nothing is shown.
        port: port to listen on; 0 for any free one.
        open: open the page in a browser.
    """

    runs: tuple[str, ...] = field(metadata={"positional": True, "metavar": "RUN", "nargs": "+"})
    host: str = "127.0.0.1"
    port: int = 8765
    open: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    config = parse("watch", WatchConfig, argv)
    from autodas.report.watch import WatchServer

    with WatchServer(config.runs, config.host, config.port) as server:
        print(f"{server.address}  (Ctrl-C stops)", flush=True)
        if config.open:
            import webbrowser

            webbrowser.open(server.address)
        server.serve_forever(poll_interval=0.1)
    return 0
