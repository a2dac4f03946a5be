"""Requests to the page, as an ASGI server hands them over."""

import asyncio
import json
import os
from functools import cache
from typing import Any

from csfnns.web.app import Server
from csfnns.web.security import Guard
from fuzz.fields import check
from fuzz.targets.pictures import CORPUS, in_process
from fuzz.targets.texts import own_home

PORT = 4321


def requests(data: bytes) -> None:
    """Whatever is asked, the answer is no defect of the server, has its headers, and needs the token."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, target = _filled(first).partition(b" ")
    pairs = [line.partition(b":") for line in lines]
    headers = [(name.strip().lower(), _filled(value.strip())) for name, _, value in pairs]
    if not _is_http(method) or not all(_is_http(name) for name, _ in headers):
        return  # the server refuses it before
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "method": method.decode().upper(),
        "path": path.decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", PORT),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    with in_process():
        status, given = asyncio.run(_answer(scope, _filled(body)))
    check(status < 500, f"the answer is {status}")
    check({b"content-security-policy", b"x-content-type-options", b"cache-control"} <= given, "headers are missing")
    signed = (b"authorization", _filled(b"Bearer $TOKEN")) in headers
    open_to_all = not scope["path"].startswith("/api/") or scope["path"] == "/api/session"
    check(signed or open_to_all or status >= 400, "an answer without the token")


async def _answer(scope: dict[str, Any], body: bytes) -> tuple[int, set[bytes]]:
    """Status, and names of the headers."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    started: dict[str, Any] = {}

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.update(message)

    await asyncio.wait_for(_page()[0](scope, receive, send), 60)
    return started["status"], {name.lower() for name, _ in started["headers"]}


@cache
def _page() -> tuple[Guard, dict[bytes, bytes]]:
    """The page with a token, an open key and an upload, and what stands for them in a case."""
    os.environ["CSFNNS_HOME"] = str(own_home())
    server = Server(PORT)
    token = server.access.redeem(server.access.launch_code()) or ""
    guard = Guard(server.app(), server.access, PORT, server.limits)
    known = {b"$TOKEN": token.encode()}
    for name, path, content in (
        (b"$KEY", "/api/keys/new", json.dumps({"size": "64x64", "profile": "standard", "receivers": []}).encode()),
        (b"$UPLOAD", "/api/uploads", (CORPUS / "00.png").read_bytes()),
    ):
        known[name] = asyncio.run(_identity(guard, path, token, content)).encode()
    return guard, known


async def _identity(guard: Guard, path: str, token: str, content: bytes) -> str:
    answer: list[bytes] = []
    headers = {b"host": b"127.0.0.1:%d" % PORT, b"content-type": b"application/json"}
    headers |= {b"authorization": f"Bearer {token}".encode(), b"content-length": b"%d" % len(content)}
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        answer.append(message.get("body", b""))

    await guard({**scope, "headers": list(headers.items()), "root_path": ""}, receive, send)
    return str(json.loads(b"".join(answer))["id"])


def _filled(part: bytes) -> bytes:
    """The part with what stands for the token and the identities."""
    for name, value in _page()[1].items():
        part = part.replace(name, value)
    return part


def _is_http(token: bytes) -> bool:
    return bool(token) and all(33 <= c < 127 and c not in b'(),/:;<=>?@[\\]{}"' for c in token)
