"""A real server of the page, started as people start it, in a home and a folder for temporary files of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

import csfnns

LINK = re.compile(r"http://127\.0\.0\.1:\d+/#launch=[\w-]+")
START_SECONDS = 30


class Server:
    """A running `csfnns web`. `folder` holds its home, its folder for temporary files and all that it printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.log = folder / "output"
        home, temporary = folder / "home", folder / "tmp"
        for each in (home, temporary):
            each.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CSFNNS_")}
        environment |= {"PYTHONPATH": str(Path(csfnns.__file__).parents[1]), "PYTHONUNBUFFERED": "1", "COLUMNS": "300"}
        environment |= {"CSFNNS_HOME": str(home), "HOME": str(home), "TMPDIR": str(temporary)}
        command = [sys.executable, "-m", "csfnns", "web", "--no-browser", "--port", "0", *options]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        self.first_link = self._await_link()
        self.url = self.first_link.partition("#")[0].rstrip("/")
        self._token: str | None = None

    def _await_link(self) -> str:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if found := LINK.search(self.printed):
                return found[0]
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"csfnns web printed no launch link:\n{self.printed}")

    @property
    def printed(self) -> str:
        """All that the server has written to its standard output and standard error."""
        return self.log.read_text("utf-8")

    def request(self, method: str, path: str, content: object = None, *, token: str | None = None) -> Any:
        """Answer to a JSON request, with the token of the tests' own session unless another is given."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token or self.token}"}
        body = None if content is None else json.dumps(content).encode()
        with urlopen(Request(self.url + path, body, headers, method=method), timeout=30) as response:
            return json.load(response)

    @property
    def token(self) -> str:
        """Token of a session of the tests' own, from the first launch link."""
        if self._token is None:
            launch = self.first_link.partition("#launch=")[2]
            self._token = self.request("POST", "/api/session", {"launch": launch}, token="none")["token"]
        return self._token

    def link(self) -> str:
        """A fresh launch link."""
        link: str = self.request("POST", "/api/launch", {})["link"]
        return link

    def stop(self) -> int:
        """Interrupt the server as Ctrl-C does, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starter of servers, which stop when the tests have ended."""
    with ExitStack() as running:

        def start(*options: str) -> Server:
            server = Server(tmp_path_factory.mktemp("web"), *options)
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()
