"""Somebody who asks the server over plain sockets: http.client, and bytes where HTTP libraries are too polite."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

WAIT = 60  # seconds: machines that run tests are busy


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """Kind of the error."""
        found: str = self.json["error"]["kind"]
        return found


class Visitor:
    """Requests to one server, with its token unless told otherwise."""

    def __init__(self, url: str, token: str | None) -> None:
        self.address = url.removeprefix("http://")
        self.port = int(self.address.partition(":")[2])
        self.token = token

    def ask(
        self,
        path: str,
        content: Any = None,
        *,
        method: str | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request. `content` goes as JSON; a header that is "" is left out."""
        sent = {"Host": self.address, "Origin": f"http://{self.address}"}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if content is not None:
            body, sent["Content-Type"] = json.dumps(content).encode(), "application/json"
        sent |= headers or {}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        try:
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, body, {name: value for name, value in sent.items() if value})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def upload(self, data: bytes, name: str = "a.bin") -> dict[str, Any]:
        answer = self.ask("/api/uploads", body=data, headers={"X-Name": quote(name, safe="")})
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    def new_key(self, size: str = "128x128", *receivers: str, profile: str = "standard") -> dict[str, Any]:
        answer = self.ask("/api/keys/new", {"size": size, "profile": profile, "receivers": list(receivers)})
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    def start(self, **job: Any) -> str:
        answer = self.ask("/api/jobs", job)
        assert answer.status == 200, answer.body
        found: str = answer.json["job"]
        return found

    def states(self, job: str) -> list[dict[str, Any]]:
        """All states of a job, to its end."""
        body = self.ask(f"/api/jobs/{job}/events").body
        return [json.loads(line) for line in body.splitlines() if line.strip()]

    def run(self, **job: Any) -> dict[str, Any]:
        """Last state of a job."""
        return self.states(self.start(**job))[-1]

    def hide(self, key: str, text: str, **wishes: Any) -> bytes:
        """A stego with a text."""
        payloads = {"": {"text": text}}
        last = self.run(kind="hide", key=key, cover=None, payloads=payloads, **wishes)
        assert last["state"] == "done", last
        return self.part(last, "stego").body

    def part(self, last: dict[str, Any], name: str) -> Answer:
        """A file of a result."""
        return self.ask(last["result"]["parts"][name]["url"])


@contextmanager
def raw(port: int, *lines: str, host: str | None = None) -> Iterator[socket.socket]:
    """A connection on which a request's head has been sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
        head = [*lines, f"Host: {host or f'127.0.0.1:{port}'}", "", ""]
        connection.sendall("\r\n".join(head).encode("latin-1"))
        yield connection


def received(connection: socket.socket, until: bytes | None = None) -> bytes:
    """What arrives until the other side closes, or until some bytes have."""
    found, end = b"", time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        found += piece
        if until is not None and until in found:
            break
    return found
