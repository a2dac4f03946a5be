"""`csfnns web`."""

from pathlib import Path

from csfnns.cli import show
from csfnns.cli.config import setting
from csfnns.cli.options import MORE, declare, option


@declare(
    port=option("N", "Port to listen at; a free one unless given."),
    no_browser=option(None, "Only print the link.", "--no-browser"),
    results=option("FOLDER", "Folder of an experiment whose curves are shown; repeat for more.", group=MORE),
)
def web(port: int = 0, no_browser: bool = False, results: list[Path] | None = None) -> None:
    """Hide and reveal in a browser, on this computer alone.

    Prints a link that works once and opens it. Nobody else on the network can reach the page, and no secret is written to
    the disk, unless you store a key. Ctrl-C ends it.
    """
    from csfnns.web import open_browser, serve

    def ready(link: str) -> None:
        show.text(f"csfnns is at {link}")
        show.note("The link works once; Ctrl-C ends the page.")
        if not no_browser:
            open_browser(link)

    try:
        serve(port=port, covers=setting("covers"), results=results or (), ready=ready)
    except KeyboardInterrupt:  # the usual way to end it
        show.note("The page has ended.")
