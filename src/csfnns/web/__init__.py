"""The page: csfnns in a browser, on this computer alone. `serve` runs it; the extra `web` is needed.

security.py   who may ask, how much and for how long
store.py      what is remembered, in memory alone
jobs.py       work in threads, with progress and cancelling
app.py        routes
keys.py, hide.py, inspect.py, results.py   what the routes do with the package; svg.py draws curves
static/       the page itself: HTML, CSS and JavaScript without a framework
"""

import asyncio
import os
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from csfnns.errors import UsageError
from csfnns.extras import require

if TYPE_CHECKING:
    from csfnns.web.security import Limits

ADDRESS = "127.0.0.1"
MOST_CONNECTIONS = 256
_STOP_SECONDS = 1


def serve(
    *,
    port: int = 0,
    covers: Any = None,
    results: Sequence[Path] = (),
    limits: "Limits | None" = None,
    ready: Callable[[str], None],
) -> None:
    """Serve the page at 127.0.0.1 until the process is interrupted.

    `port` 0 takes a free one. `ready` is called with the launch link once the page can be asked for. `covers` is the album
    or model of keys that need one; `results` are folders of experiments to show. Raises UsageError for a port that cannot
    be used, for folders that are none, and without the extra `web`.
    """
    require("web", "The page")
    for folder in results:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder.", "Name a folder that csfnns experiment has written.")
    listener = _listen(port)
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from csfnns.web.app import Server
    from csfnns.web.security import Guard, Limits

    bounds = limits or Limits()
    server = Server(listener.getsockname()[1], covers=covers, results=results, limits=bounds)
    guard = Guard(server.app(), server.access, server.port, bounds)

    class Connection(H11Protocol):
        """One that is closed if there are too many, or if its first request does not come."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > MOST_CONNECTIONS:
                transport.abort()
            else:
                self.loop.call_later(bounds.overall, self._expect_request)

        def _expect_request(self) -> None:
            if self.cycle is None:
                self.transport.close()

    class Run(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self.sweeper = asyncio.create_task(server.sweep())
            ready(server.link(first=True))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            self.sweeper.cancel()
            server.stop()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        guard,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=bounds.headers,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    try:
        Run(config).run(sockets=[listener])
    finally:
        server.close()


def open_browser(link: str) -> None:
    """Open the user's browser, in a thread: some browsers do not return before they are closed, and some print."""

    def run() -> None:
        with suppress(webbrowser.Error, OSError):
            webbrowser.open(link)

    if (
        os.name == "posix"
        and sys.platform != "darwin"
        and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    ):
        return  # a browser in the terminal would take the terminal
    Thread(target=run, daemon=True).start()


def _listen(port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise UsageError(f"port must be in 0…65535, got {port}.", "Leave it out: a free one is taken.")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        hint = "Choose another, or leave --port out: a free one is taken."
        raise UsageError(f"Port {port} cannot be used: {error.strerror}.", hint) from None
    listener.set_inheritable(False)
    return listener
