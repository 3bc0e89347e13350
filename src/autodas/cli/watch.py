"""``autodas watch``: follow runs in a browser."""

from __future__ import annotations

from dataclasses import dataclass, field

from autodas.cli.config._usage import Usage


@dataclass(frozen=True)
class WatchConfig:
    """Serve the page of 'autodas report' with live updates, during runs and afterwards. Nothing is written.
    Ctrl-C stops the server.

    Args:
        runs: run folders, or folders that contain runs.
        host: address to listen on; if it is reachable from other machines, the page's address contains a
            random token that is required to see anything.
        port: port to listen on; 0 for any free one.
        open: open the page in a browser.
    """

    runs: tuple[str, ...] = field(metadata={"positional": True, "metavar": "RUN", "nargs": "+"})
    host: str = "127.0.0.1"
    port: int = 8765
    open: bool = False


USAGES = (Usage("watch", WatchConfig),)


def run(argv: list[str]) -> int:
    """Run the command."""
    config = USAGES[0].parse(argv)
    from autodas.report.watch import WatchServer

    with WatchServer(config.runs, config.host, config.port) as server:
        print(f"{server.address}  (Ctrl-C stops)", flush=True)
        if config.open:
            import webbrowser

            webbrowser.open(server.address)
        server.serve_forever(poll_interval=0.1)
    return 0
