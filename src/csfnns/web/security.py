"""Who may ask, how much, and for how long: checked before a byte of a body is read, around everything else."""

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

UPLOADS = "/api/uploads"
OPEN = ("/api/session",)
"""Paths below /api/ that need no token."""
_LAUNCH_SECONDS = 600.0
_MOST_LAUNCHES = 16


@dataclass(frozen=True)
class Limits:
    """What a request may take."""

    body: int = 64 << 20
    """Bytes of an upload."""
    small_body: int = 4 << 20
    """Bytes of every other body."""
    bodies: int = 192 << 20
    """Bytes of all bodies that are being read or worked on."""
    headers: int = 16 << 10
    """Bytes of all headers and the path."""
    idle: float = 10.0
    """Seconds without a byte of a body."""
    overall: float = 60.0
    """Seconds for a whole body, and until the first request of a connection."""


class Access:
    """Launch codes, each for one use, and the token that they give."""

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(32)
        self._codes: dict[str, float] = {}

    def launch_code(self, *, first: bool = False) -> str:
        """A new code for one use within 10 minutes; the first one of a server has no end."""
        now = time.monotonic()
        self._codes = {code: end for code, end in self._codes.items() if end > now}
        while len(self._codes) >= _MOST_LAUNCHES:
            self._codes.pop(next(iter(self._codes)))
        code = secrets.token_urlsafe(32)
        self._codes[code] = float("inf") if first else now + _LAUNCH_SECONDS
        return code

    def redeem(self, code: str) -> str | None:
        """The token, for a code that was not used yet; None for every other text."""
        given = code.encode("utf-8", "replace")
        found = [each for each in self._codes if hmac.compare_digest(each.encode(), given)]
        return self._token if found and self._codes.pop(found[0]) > time.monotonic() else None

    def knows(self, authorization: bytes) -> bool:
        """Whether this is the header of a request with the token."""
        return hmac.compare_digest(authorization, f"Bearer {self._token}".encode())


class Guard:
    """ASGI middleware: Host, Origin, Sec-Fetch-Site, token, size and time of the body; headers of every answer."""

    def __init__(self, app: App, access: Access, port: int, limits: Limits) -> None:
        self._app, self._access, self._limits = app, access, limits
        names = "127.0.0.1", "localhost"
        self._hosts = {f"{name}:{port}".encode() for name in names}
        if port == 80:  # which browsers leave out
            self._hosts |= {name.encode() for name in names}
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is refused, and pass on everything else with its whole body."""
        if scope["type"] != "http":
            raise RuntimeError("the page speaks HTTP alone")
        nonce = secrets.token_urlsafe(16)
        scope["csp_nonce"] = nonce
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *_headers(nonce)]
            await send(message)

        held = _Held()
        try:
            self._check(scope)
            await self._app(scope, await self._whole_body(scope, receive, held), answer)
        except _Refused as refused:
            if not started:
                await _refuse(refused, answer)
        finally:
            self._held -= held.size

    def _check(self, scope: Scope) -> None:
        """Raise _Refused before a byte of the body is read."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        found: dict[bytes, bytes] = dict(headers)
        if sum(len(name) + len(value) for name, value in headers) + len(scope["raw_path"]) > self._limits.headers:
            raise _Refused(431, "TooLarge", "The headers of the request are too large.", "")
        if [name for name, _ in headers].count(b"host") != 1 or found[b"host"] not in self._hosts:
            raise _Refused(403, "Host", "This address is not the page's own.", "Use the link that csfnns web printed.")
        origin = found.get(b"origin")
        if origin is not None and origin != b"http://" + found[b"host"]:
            raise _Refused(403, "Origin", "Another page asks.", "Close it.")
        site = found.get(b"sec-fetch-site", b"none")
        path: str = scope["path"]
        api = path.startswith("/api/")
        # A link elsewhere may open the page, which says nothing without a launch code; nothing else may come from there.
        opened = path == "/" and scope["method"] == "GET" and found.get(b"sec-fetch-mode") == b"navigate"
        if site != b"same-origin" and not (opened or (site == b"none" and (not api or b"sec-fetch-site" not in found))):
            raise _Refused(403, "FetchSite", "Another page asks.", "Close it.")
        if api and path not in OPEN and not self._access.knows(found.get(b"authorization", b"")):
            raise _Refused(401, "Token", "This tab is not signed in.", "Open the link that csfnns web printed.")
        empty = found.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in found
        if api and scope["method"] == "POST" and path != UPLOADS and not empty:
            kind = found.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind != b"application/json":
                raise _Refused(400, "UsageError", "The body must be application/json.", "")
        length = found.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._limit(scope):
            raise _too_large(self._limit(scope))

    def _limit(self, scope: Scope) -> int:
        return self._limits.body if scope["path"] == UPLOADS else self._limits.small_body

    async def _whole_body(self, scope: Scope, receive: Receive, held: "_Held") -> Receive:
        """A `receive` that gives the whole body at once. Raises _Refused for one that is too large or too slow."""
        chunks: list[bytes] = []
        more = True
        end = time.monotonic() + self._limits.overall
        while more:
            wait = min(self._limits.idle, end - time.monotonic())
            try:
                message = await asyncio.wait_for(receive(), max(wait, 0))
            except TimeoutError:
                raise _Refused(408, "Slow", "The request took too long to arrive.", "Try again.") from None
            if message["type"] == "http.disconnect":
                raise _Refused(400, "Disconnected", "The request was broken off.", "")
            chunk: bytes = message.get("body", b"")
            held.size += len(chunk)
            self._held += len(chunk)
            if held.size > self._limit(scope):
                raise _too_large(self._limit(scope))
            if self._held > self._limits.bodies:
                raise _Refused(429, "Busy", "Too much arrives at once.", "Try again in a moment.")
            chunks.append(chunk)
            more = message.get("more_body", False)
        body = b"".join(chunks)
        chunks.clear()
        given = False

        async def replay() -> Message:
            nonlocal given, body
            if given:
                return await receive()  # waits until the client leaves
            given = True
            message = {"type": "http.request", "body": body, "more_body": False}
            body = b""
            return message

        return replay


@dataclass
class _Held:
    """Bytes of one request's body."""

    size: int = 0


class _Refused(Exception):
    def __init__(self, status: int, kind: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.status = status
        self.content = error_content(kind, message, hint)


def error_content(kind: str, message: str, hint: str) -> dict[str, dict[str, str]]:
    """Body of an answer that says what is wrong."""
    return {"error": {"kind": kind, "message": message, "hint": hint}}


def _too_large(limit: int) -> _Refused:
    return _Refused(413, "TooLarge", f"At most {limit >> 20} MiB can be sent to the page at once.", "Send less.")


async def _refuse(refused: _Refused, send: Send) -> None:
    body = json.dumps(refused.content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers.append((b"connection", b"close"))  # what is left of the request is not read
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(nonce: str) -> list[tuple[bytes, bytes]]:
    policy = (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"x-frame-options", b"DENY"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    ]
