"""The routes: HTTP in, calls of the package, HTTP out. security.py has checked every request that arrives here.

What needs NumPy is imported where it is used, so that the page appears at once.
"""

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property, partial
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import csfnns
from csfnns.errors import Cancelled, CsfnnsError, UsageError
from csfnns.extras import MODULES, has
from csfnns.web.jobs import MOST_WAITING, Full, Job, Jobs, Lane, describe
from csfnns.web.security import Access, Limits, error_content
from csfnns.web.store import SECONDS, Forgotten, Store

if TYPE_CHECKING:
    from csfnns.keys import Key
    from csfnns.messages.preview import Preview
    from csfnns.search import Progress
    from csfnns.web.keys import KeyRing, OpenKey

T = TypeVar("T")
SIDES = 64, 4096
"""Shortest and longest side of a cover that the page offers."""
_PROFILES = {
    "standard": "Files that are sent unchanged: pictures arrive clear, everything else byte for byte.",
    "robust": "Pictures and short texts that survive chat apps, which compress and scale what is sent.",
    "paper": "The network of the paper, for experiments.",
}
_MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEARTBEAT, _LOOK = 5.0, 0.05  # seconds
_SWEEP = 20.0
_MOST_COVERS = 16
_KEPT = 3 << 20  # sub-pixels of a cover whose pictures are kept: larger ones are made again


class Server:
    """All that one running page knows: nothing of it is on disk."""

    def __init__(
        self, port: int, *, covers: Any = None, results: Sequence[Path] = (), limits: Limits | None = None
    ) -> None:
        """`covers` is the user's album or model, `results` are folders of experiments to show."""
        self.port, self.covers, self.limits = port, covers, limits or Limits()
        self.access, self.store, self.jobs = Access(), Store(), Jobs()
        self.results = {str(i): folder for i, folder in enumerate(results, 1)}
        self.stopping = False
        self._drawing, self._asking = Lane("covers"), Lane("previews")
        self._newest: dict[str, object] = {}
        self._preview: tuple[dict[str, Any], Preview, float] | None = None
        self._warm = False

    @cached_property
    def keys(self) -> "KeyRing":
        """Open keys."""
        from csfnns.web.keys import KeyRing

        return KeyRing()

    def link(self, *, first: bool = False) -> str:
        """A launch link for one use."""
        return f"http://127.0.0.1:{self.port}/#launch={self.access.launch_code(first=first)}"

    def app(self) -> Starlette:
        """The routes, without the checks of security.py."""
        routes = [
            Route("/", self._on_page),
            Route("/static/{name}", self._on_static),
            Route("/healthz", self._on_health),
            Route("/api/session", self._on_session, methods=["POST"]),
            Route("/api/launch", self._on_launch, methods=["POST"]),
            Route("/api/about", self._on_about),
            Route("/api/uploads", self._on_upload, methods=["POST"]),
            Route("/api/uploads/{id}", self._on_forget_upload, methods=["DELETE"]),
            Route("/api/keys", self._on_all_keys),
            Route("/api/keys/new", self._on_new_key, methods=["POST"]),
            Route("/api/keys/open", self._on_open_key, methods=["POST"]),
            Route("/api/keys/phrase", self._on_open_phrase, methods=["POST"]),
            Route("/api/keys/phrase/new", self._on_new_phrase, methods=["POST"]),
            Route("/api/keys/phrase/strength", self._on_rate_phrase, methods=["POST"]),
            Route("/api/keys/stored/{name}/open", self._on_open_stored, methods=["POST"]),
            Route("/api/keys/{id}/file", self._on_key_file, methods=["GET", "POST"]),
            Route("/api/keys/{id}/store", self._on_store_key, methods=["POST"]),
            Route("/api/keys/{id}/cover", self._on_check_cover),
            Route("/api/keys/{id}", self._on_close_key, methods=["DELETE"]),
            Route("/api/covers", self._on_new_covers, methods=["POST"]),
            Route("/api/covers/{id}", self._on_cover),
            Route("/api/preview", self._on_preview, methods=["POST"]),
            Route("/api/jobs", self._on_start_job, methods=["POST"]),
            Route("/api/jobs/{id}/events", self._on_events),
            Route("/api/jobs/{id}", self._on_cancel_job, methods=["DELETE"]),
            Route("/api/results/{id}/{part}", self._on_result),
            Route("/api/results-folders/{id}", self._on_results_folder),
        ]
        handlers: dict[Any, Any] = {CsfnnsError: _refuse, 404: _not_found, 405: _not_found}
        return Starlette(routes=routes, exception_handlers=handlers | {Exception: _defect})

    async def sweep(self) -> None:
        """Forget what is too old, until the server stops."""
        while True:
            await asyncio.sleep(_SWEEP)
            self.store.sweep()
            self.jobs.sweep()
            if self._preview is not None and time.monotonic() - self._preview[2] > SECONDS:
                self._preview = None

    def stop(self) -> None:
        """Cancel all jobs, and let open streams end."""
        self.stopping = True
        self.jobs.cancel()

    def close(self) -> None:
        """Wait a moment for what is being done."""
        self.jobs.close()
        for lane in (self._asking, self._drawing):
            lane.close()

    # Session and static files

    async def _on_page(self, request: Request) -> Response:
        if not self._warm:  # while the browser draws the page
            self._warm = True
            self._asking.submit(lambda: import_module("csfnns.web.hide"))
        content = files("csfnns.web").joinpath("static", "index.html").read_text("utf-8")
        return Response(content.replace("__NONCE__", request.scope["csp_nonce"]), media_type="text/html")

    async def _on_static(self, request: Request) -> Response:
        for each in files("csfnns.web").joinpath("static").iterdir():
            suffix = Path(each.name).suffix
            if each.name == request.path_params["name"] and suffix in _MEDIA and each.is_file():
                return Response(each.read_bytes(), media_type=_MEDIA[suffix])
        raise Forgotten("file", "")

    async def _on_health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _on_session(self, request: Request) -> Response:
        token = self.access.redeem(_text(await _content(request), "launch"))
        if token is None:
            hint = "Start csfnns web again, or open another tab from one that works."
            return _error(401, error_content("Launch", "This link was used already, or is not this server's.", hint))
        return JSONResponse({"token": token})

    async def _on_launch(self, request: Request) -> Response:
        return JSONResponse({"link": self.link()})

    async def _on_about(self, request: Request) -> Response:
        from csfnns.search import CHANNELS
        from csfnns.steganalysis.detectors import DETECTORS

        def available(extras: Sequence[str]) -> bool:
            return all(map(has, extras))

        channels = [{"name": each.example or name, "help": each.help} for name, each in CHANNELS.entries().items()]
        profiles = [
            {"name": name, "help": help, "available": name == "standard" or has("network")}
            for name, help in _PROFILES.items()
        ]
        detectors = [
            {"name": name, "help": each.help, "available": available(each.extras)}
            for name, each in DETECTORS.entries().items()
        ]
        limits = {"body": self.limits.body, "jobs": MOST_WAITING, "side_min": SIDES[0], "side_max": SIDES[1]}
        folders = [{"id": identity, "name": folder.name} for identity, folder in self.results.items()]
        about: dict[str, Any] = {"version": csfnns.__version__, "channels": channels, "profiles": profiles}
        about |= {"extras": {name: has(name) for name in MODULES}, "detectors": detectors}
        return JSONResponse(about | {"limits": limits, "results": folders})

    # Uploads

    async def _on_upload(self, request: Request) -> Response:
        from csfnns.payloads.frame import File, safe_name
        from csfnns.web.hide import describe_upload

        data = await request.body()
        name = safe_name(unquote(request.headers.get("x-name", ""))) or "file"
        about = await self._beside(partial(describe_upload, data))
        identity = self.store.put("upload", File(data, name), len(data) + 1024)
        return JSONResponse({"id": identity, "name": name, "bytes": len(data), **about})

    async def _on_forget_upload(self, request: Request) -> Response:
        self.store.drop("upload", request.path_params["id"])
        return JSONResponse({})

    # Keys

    async def _on_all_keys(self, request: Request) -> Response:
        from csfnns.web.keys import stored

        return JSONResponse({"open": self.keys.describe(), "stored": stored()})

    async def _on_new_key(self, request: Request) -> Response:
        from csfnns.web import keys

        content = await _content(request)
        size, profile = _text(content, "size"), _text(content, "profile")
        receivers = [each.strip() for each in _texts(content, "receivers") if each.strip()]
        return await self._opened(partial(keys.make_key, size, profile, receivers))

    async def _on_open_key(self, request: Request) -> Response:
        from csfnns.web import keys

        content = await _content(request)
        text, name = _text(content, "text"), _text(content, "name", "")
        return await self._opened(partial(keys.open_text, text, name, _text(content, "passphrase", None)))

    async def _on_open_phrase(self, request: Request) -> Response:
        from csfnns.web import keys

        content = await _content(request)
        given = [_text(content, name) for name in ("passphrase", "size", "profile")]
        weak = content.get("allow_weak") is True
        return await self._opened(lambda: keys.open_passphrase(*given, allow_weak=weak))

    async def _on_new_phrase(self, request: Request) -> Response:
        from csfnns.keys import make_phrase, strength

        phrase = make_phrase(_number(await _content(request), "words", 6))
        return JSONResponse({"phrase": phrase, "strength": strength(phrase).word})

    async def _on_rate_phrase(self, request: Request) -> Response:
        from csfnns.keys import strength

        text = _text(await _content(request), "passphrase")
        found = await self._beside(partial(strength, text))
        return JSONResponse({"verdict": found.word, "bits": round(found.bits), "hint": found.feedback})

    async def _on_key_file(self, request: Request) -> Response:
        from csfnns.web import keys

        found = self.keys.get(request.path_params["id"])
        passphrase = None
        if request.method == "POST":
            passphrase = _text(await _content(request), "passphrase")
        make = partial(keys.key_file, found, request.query_params.get("receiver"), passphrase)
        data, name = await self._beside(make)
        return _attachment(data, name, "application/octet-stream")

    async def _on_store_key(self, request: Request) -> Response:
        from csfnns.web import keys

        content = await _content(request)
        identity = request.path_params["id"]
        found = self.keys.get(identity)
        name, passphrase = _text(content, "name"), _text(content, "passphrase", None)
        await self._beside(partial(keys.store, found, name, passphrase))
        return JSONResponse(found.describe(identity))

    async def _on_open_stored(self, request: Request) -> Response:
        from csfnns.web import keys

        passphrase = _text(await _content(request), "passphrase", None)
        return await self._opened(partial(keys.open_stored, request.path_params["name"], passphrase))

    async def _on_close_key(self, request: Request) -> Response:
        self.keys.close(request.path_params["id"])
        return JSONResponse({})

    async def _on_check_cover(self, request: Request) -> Response:
        from csfnns.api import check_cover
        from csfnns.images.output import encode_picture

        key = self.keys.get(request.path_params["id"]).key
        covers = self._covers_of(key)
        data = await self._draw(lambda: encode_picture(check_cover(key, covers=covers).picture, ".png"))
        return Response(data, media_type="image/png")

    async def _opened(self, make: "Callable[[], OpenKey]") -> Response:
        return JSONResponse(self.keys.add(await self._beside(make)))

    # Covers and previews

    async def _on_new_covers(self, request: Request) -> Response:
        content = await _content(request)
        key, count = self.keys.get(content.get("key")).key, _number(content, "count", 8)
        if not 1 <= count <= _MOST_COVERS:
            raise UsageError(f"count must be in 1…{_MOST_COVERS}, got {count}.", "8 are enough to choose from.")
        receivers, source = _texts(content, "receivers"), self._covers_of(key)
        made = await self._draw(lambda: csfnns.fresh_covers(key, count, receivers=receivers, covers=source))
        size = {"width": key.profile.width, "height": key.profile.height}
        size_of_one = 3 * key.profile.width * key.profile.height
        weight = size_of_one if size_of_one <= _KEPT else 4096
        return JSONResponse({"covers": [{"id": self.store.put("cover", each, weight), **size} for each in made]})

    async def _on_cover(self, request: Request) -> Response:
        from csfnns.web.hide import thumbnail

        found = self.store.get("cover", request.path_params["id"])
        data = await self._draw(lambda: thumbnail(found.picture))
        if found.picture.size > _KEPT:
            found.forget()
        return Response(data, media_type="image/webp")

    async def _on_preview(self, request: Request) -> Response:
        content = await _content(request)
        tab = request.headers.get("x-tab", "")[:64]
        mine = object()
        if len(self._newest) > 64:
            self._newest.clear()
        self._newest[tab] = mine

        def newest(done: int = 0, total: int = 0) -> bool:
            return self._newest.get(tab) is mine and not self.stopping

        try:
            about, pixels = await self._beside(partial(self._draw_preview, content, newest))
        except Cancelled as error:
            return _error(409, describe(error))
        head = json.dumps(about).encode()
        return Response(struct.pack(">I", len(head)) + head + pixels, media_type="application/octet-stream")

    def _draw_preview(self, content: dict[str, Any], newest: "Progress") -> tuple[dict[str, Any], bytes]:
        from csfnns.messages.preview import Preview
        from csfnns.web.hide import draw_preview

        if not newest(0, 0):
            raise Cancelled("A newer preview was asked for.")
        key = self.keys.get(content.get("key")).key
        quality, resize = _decimal(content, "quality"), _number(content, "resize", None)
        asked = {name: content.get(name) for name in ("key", "cover", "upload", "text", "resize")}
        before, self._preview = self._preview, None
        if before is not None and before[0] == asked:
            preview = before[1]
        else:
            payload = self._payload(content)
            if content.get("cover") is not None:
                cover = self.store.get("cover", content["cover"]).picture
            elif before is not None and all(before[0][name] == asked[name] for name in ("key", "cover")):
                cover = before[1].cover
            else:
                source = self._covers_of(key)
                cover = csfnns.fresh_covers(key, 1, receivers=key.names[:1], covers=source)[0].picture
            del before
            preview = Preview(payload, key, cover, resize=resize)
        if preview.cover.size <= _KEPT:
            self._preview = asked, preview, time.monotonic()
        return draw_preview(preview, quality, newest)

    def _payload(self, content: dict[str, Any]) -> Any:
        text = content.get("text")
        if isinstance(text, str):
            if not text:
                raise UsageError("The text is empty.", "Write something, or choose a file.")
            return csfnns.text(text)
        return self.store.get("upload", content.get("upload"))

    # Jobs

    async def _on_start_job(self, request: Request) -> Response:
        content = await _content(request)
        make = {"hide": self._hide, "reveal": self._reveal, "inspect": self._inspect}.get(str(content.get("kind")))
        if make is None:
            raise UsageError("kind must be hide, reveal or inspect.", "")
        make(content)  # finds what is wrong at once

        def run(progress: "Progress") -> dict[str, Any]:
            result, parts = make(content)(progress)  # what waits keeps no upload
            identity = self.store.put("result", parts, sum(len(each.data) for each in parts.values()) + 4096)
            shown = {
                name: {
                    "url": f"/api/results/{identity}/{name}",
                    "name": each.name,
                    "type": each.type,
                    "bytes": len(each.data),
                }
                for name, each in parts.items()
            }
            return {**result, "parts": shown}

        try:
            return JSONResponse({"job": self.jobs.start(run).id})
        except Full:
            waiting = f"{MOST_WAITING} jobs are waiting already."
            return _error(429, error_content("Busy", waiting, "Wait until one has ended, or cancel one."))

    def _hide(self, content: dict[str, Any]) -> "Callable[[Progress], Any]":
        from csfnns.web.hide import Wishes, method_of, run_hide

        key = self.keys.get(content.get("key")).key
        given = content.get("payloads")
        if not isinstance(given, dict) or not given or not all(isinstance(each, dict) for each in given.values()):
            raise UsageError("There is nothing to hide.", "Choose a file, or write a text.")
        payloads = {str(name): self._payload(each) for name, each in given.items()}
        key.route([name for name in payloads if name])
        cover = None if content.get("cover") is None else self.store.get("cover", content["cover"])
        settings = content.get("settings") or {}
        if not isinstance(settings, dict):
            raise UsageError("settings must be an object.", "")
        wishes = Wishes(
            _text(content, "format", "png"),
            _text(content, "method", None),
            settings,
            _decimal(content, "quality"),
            tuple(_texts(content, "survive")),
            _number(content, "resize", None),
            content.get("dated", True) is not False,
        )
        method_of(key, wishes)
        source = self._covers_of(key)
        return lambda progress: run_hide(payloads, key, cover, wishes, source, progress)

    def _reveal(self, content: dict[str, Any]) -> "Callable[[Progress], Any]":
        from csfnns.web.hide import run_reveal

        key = self.keys.get(content.get("key")).key
        stego: bytes = self.store.get("upload", content.get("upload")).content
        receiver, source = _text(content, "receiver", None), self._covers_of(key)
        return lambda progress: run_reveal(stego, key, receiver or None, source)

    def _inspect(self, content: dict[str, Any]) -> "Callable[[Progress], Any]":
        from csfnns.web.hide import Part

        picture: bytes = self.store.get("upload", content.get("upload")).content
        other = content.get("reference")
        reference = None if other is None else self.store.get("upload", other).content
        key = None if content.get("key") is None else self.keys.get(content["key"]).key
        source = None if key is None else self._covers_of(key)

        def work(progress: "Progress") -> Any:
            from csfnns.web.inspect import inspect

            result, parts = inspect(picture, reference, key, covers=source, progress=progress)
            return result, {name: Part(data, f"{name}.png", "image/png") for name, data in parts.items()}

        return work

    async def _on_events(self, request: Request) -> Response:
        job = self._job(request)
        return StreamingResponse(self._states(job), media_type="application/x-ndjson")

    async def _states(self, job: Job) -> AsyncIterator[bytes]:
        """A line for each new state, blank ones in between, until the job has ended or the server stops."""
        said, spoke = b"", time.monotonic()
        while True:
            ended = job.ended is not None
            line = json.dumps(self._state(job)).encode() + b"\n"
            now = time.monotonic()
            if line != said:
                said, spoke = line, now
                yield line
            elif now - spoke > _HEARTBEAT:
                spoke = now
                yield b"\n"
            if ended or self.stopping:
                return
            await asyncio.sleep(_LOOK)

    def _state(self, job: Job) -> dict[str, Any]:
        state = job.state
        if state == "waiting":
            return {"state": state, "position": self.jobs.position(job)}
        if state == "running":
            return {"state": state, "done": job.done, "total": job.total}
        if state == "done":
            return {"state": state, "result": job.result}
        return {"state": state, "error": job.error} if state == "failed" else {"state": state}

    async def _on_cancel_job(self, request: Request) -> Response:
        self._job(request).cancel()
        return JSONResponse({})

    def _job(self, request: Request) -> Job:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            raise Forgotten("job", "Its result is kept for 15 minutes.")
        return job

    async def _on_result(self, request: Request) -> Response:
        part = self.store.get("result", request.path_params["id"]).get(request.path_params["part"])
        if part is None:
            raise Forgotten("file", "Results are kept for 15 minutes.")
        return _attachment(part.data, part.name, part.type)

    async def _on_results_folder(self, request: Request) -> Response:
        from csfnns.web.results import results_folder

        folder = self.results.get(request.path_params["id"])
        if folder is None:
            raise Forgotten("folder", "Name it when you start the page: csfnns web --results FOLDER.")
        return JSONResponse(await self._draw(partial(results_folder, folder)))

    # Threads

    async def _beside(self, work: Callable[[], T]) -> T:
        """Do something short beside a job."""
        return await asyncio.wrap_future(self._asking.submit(work))

    async def _draw(self, work: Callable[[], T]) -> T:
        """Draw a cover, or do what else takes seconds, beside a job and previews."""
        return await asyncio.wrap_future(self._drawing.submit(work))

    def _covers_of(self, key: "Key") -> Any:
        """The user's album or model, for a key that needs one."""
        return self.covers if key.profile.generator in ("folder", "diffusion") else None


async def _refuse(request: Request, error: Exception) -> Response:
    return _error(404 if isinstance(error, Forgotten) else 400, describe(error))


async def _not_found(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return _error(status, error_content("NotFound", "The page has no such place.", ""))


async def _defect(request: Request, error: Exception) -> Response:
    return _error(500, describe(error))


def _error(status: int, content: dict[str, dict[str, str]]) -> Response:
    return JSONResponse(content, status)


def _attachment(data: bytes, name: str, media_type: str) -> Response:
    """A file to save under a safe name."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\;' else "_" for c in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(data, media_type=media_type, headers={"Content-Disposition": disposition})


async def _content(request: Request) -> dict[str, Any]:
    """Body of a request as a JSON object; {} without a body. Raises UsageError."""
    body = await request.body()
    try:
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise UsageError("The body is no JSON.", "") from None
    if not isinstance(found, dict):
        raise UsageError("The body must be a JSON object.", "")
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UsageError("The body has text that is not valid Unicode.", "") from None
    return found


_NEEDED: Any = object()


def _text(content: dict[str, Any], name: str, default: Any = _NEEDED) -> Any:
    value = content.get(name)
    if value is None and default is not _NEEDED:
        return default
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a text.", "")
    return value


def _texts(content: dict[str, Any], name: str) -> list[str]:
    value = content.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{name} must be a list of texts.", "")
    return value


def _number(content: dict[str, Any], name: str, default: Any) -> Any:
    value = content.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1 << 31:
        raise UsageError(f"{name} must be a whole number.", "")
    return value


def _decimal(content: dict[str, Any], name: str) -> float | None:
    value = content.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} must be a number.", "")
    return float(value)
