"""What the server refuses, each over a real socket; and that nothing of a secret is where it does not belong."""

import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")

from visitor import WAIT, Visitor, raw, received

import csfnns

NEEDED = "/api/keys"


@pytest.fixture
def me(server: Any) -> Visitor:
    return Visitor(server.url, server.token)


@pytest.fixture(scope="module")
def strict() -> Iterator[Visitor]:
    """A server with small limits."""
    program = (
        "from csfnns.web import serve; from csfnns.web.security import Limits\n"
        "serve(limits=Limits(body=100_000, small_body=20_000, idle=0.3, overall=1.0),"
        " ready=lambda link: print(link, flush=True))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(csfnns.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        link = process.stdout.readline().decode().strip()
        url, _, code = link.partition("/#launch=")
        visitor = Visitor(url, None)
        visitor.token = visitor.ask("/api/session", {"launch": code}).json["token"]
        yield visitor
        process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("path", [NEEDED, "/api/about", "/api/results/x/secret", "/api/nothing"])
@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", "Basic dXNlcjp4", "Bearer ä"])
def test_nothing_is_answered_without_the_token(me: Visitor, path: str, authorization: str) -> None:
    answer = me.ask(path, headers={"Authorization": authorization})
    assert (answer.status, answer.kind) == (401, "Token")


def test_cookies_open_nothing(me: Visitor) -> None:
    """Cookies ignore ports: what another server of this computer set would arrive here."""
    answer = me.ask(NEEDED, headers={"Authorization": "", "Cookie": f"token={me.token}; csfnns-token={me.token}"})
    assert answer.status == 401
    assert "set-cookie" not in me.ask("/").headers


def test_a_launch_code_works_once(server: Any, me: Visitor) -> None:
    code = server.link().partition("#launch=")[2]
    assert me.ask("/api/session", {"launch": code}, headers={"Authorization": ""}).json == {"token": me.token}
    for wrong in (code, "", "x", code[:-1], "ä", "\ud800"):
        answer = me.ask("/api/session", {"launch": wrong}, headers={"Authorization": ""})
        assert answer.status in (400, 401)
    assert me.ask("/api/session", {"launch": 1}).status == 400


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.:{port}"]
)
def test_a_foreign_host_is_refused(me: Visitor, host: str) -> None:
    """A name that an attacker lets point at 127.0.0.1: DNS rebinding."""
    answer = me.ask("/", headers={"Host": host.format(port=me.port)})
    assert (answer.status, answer.kind) == (403, "Host")
    assert me.ask("/", headers={"Host": f"localhost:{me.port}", "Origin": ""}).status == 200


def test_two_hosts_are_refused(me: Visitor) -> None:
    with raw(me.port, "GET / HTTP/1.1", "Host: evil.example") as connection:
        assert received(connection)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://{address}", "http://localhost:{port}"]
)
def test_a_foreign_origin_is_refused(me: Visitor, origin: str) -> None:
    given = origin.format(address=me.address, port=me.port)
    for path in (NEEDED, "/api/session", "/"):
        answer = me.ask(path, headers={"Origin": given})
        assert (answer.status, answer.kind) == (403, "Origin")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "odd"])
def test_a_fetch_from_another_page_is_refused(me: Visitor, site: str) -> None:
    for path in (NEEDED, "/api/session"):
        answer = me.ask(path, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors"})
        assert (answer.status, answer.kind) == (403, "FetchSite")
    assert me.ask(NEEDED, headers={"Sec-Fetch-Site": "same-origin"}).status == 200
    script = me.ask("/static/app.js", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})
    assert script.status == 403


def test_what_is_refused_is_not_read(me: Visitor) -> None:
    """The answer comes while the body is still on its way."""
    with raw(me.port, "POST /api/uploads HTTP/1.1", "Content-Length: 60000000") as connection:
        assert b" 401 " in received(connection)


def test_a_preflight_gets_no_leave(me: Visitor) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = me.ask(NEEDED, method="OPTIONS", headers=headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_body_that_says_it_is_too_large_is_refused_at_once(me: Visitor) -> None:
    lines = f"Authorization: Bearer {me.token}", f"Content-Length: {(64 << 20) + 1}"
    with raw(me.port, "POST /api/uploads HTTP/1.1", *lines) as connection:
        assert b" 413 " in received(connection)


def test_a_body_that_grows_too_large_is_refused(strict: Visitor) -> None:
    lines = f"Authorization: Bearer {strict.token}", "Transfer-Encoding: chunked"
    with raw(strict.port, "POST /api/uploads HTTP/1.1", *lines) as connection:
        for _ in range(3):
            connection.sendall(b"%x\r\n%s\r\n" % (40_000, bytes(40_000)))
        assert b" 413 " in received(connection)
    assert strict.ask("/api/keys/open", {"text": "x" * 30_000}).status == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "9" * 30])
def test_an_odd_length_is_refused(me: Visitor, length: str) -> None:
    lines = f"Authorization: Bearer {me.token}", f"Content-Length: {length}"
    with raw(me.port, "POST /api/uploads HTTP/1.1", *lines) as connection:
        assert received(connection)[9:12] in (b"400", b"413")


def test_a_slow_body_is_given_up(strict: Visitor) -> None:
    head = "POST /api/uploads HTTP/1.1", f"Authorization: Bearer {strict.token}", "Content-Length: 1000"
    with raw(strict.port, *head) as silent:
        assert b" 408 " in received(silent)
    with raw(strict.port, *head) as dripping:  # a byte now and then
        started = time.monotonic()
        dripping.settimeout(0.1)
        found = b""
        while not found and time.monotonic() - started < WAIT:
            try:
                dripping.sendall(b"x")
                found = dripping.recv(100)
            except TimeoutError:
                continue
        assert b" 408 " in found
    assert strict.ask("/healthz").json == {"status": "ok"}


def test_connections_without_a_request_are_closed(strict: Visitor) -> None:
    address = ("127.0.0.1", strict.port)
    with ExitStack() as held:
        silent = [held.enter_context(socket.create_connection(address, timeout=WAIT)) for _ in range(300)]
        silent[0].sendall(b"GET / HTTP/1.1\r\nX-Drip: ")
        for each in silent:
            assert received(each) == b""
    assert strict.ask("/healthz").json == {"status": "ok"}


def test_headers_are_limited(me: Visitor) -> None:
    with raw(me.port, "GET / HTTP/1.1", f"X-Long: {'x' * 40_000}") as connection:
        assert received(connection)[9:12] in (b"400", b"431")
    assert me.ask("/healthz").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/",
        "/../../etc/passwd",
    ],
)
def test_paths_lead_nowhere_else(me: Visitor, path: str) -> None:
    with raw(me.port, f"GET {path} HTTP/1.1", "Connection: close") as connection:
        assert b" 404 " in received(connection)


@pytest.mark.parametrize(
    "name", ["../a", "..", "a/b", "/etc/x", "a\\b", ".hidden", "a\nb", "", "con", "x" * 200, "ok\0"]
)
def test_stored_keys_have_plain_names(server: Any, me: Visitor, name: str) -> None:
    key = me.new_key("64x64")["id"]
    before = sorted(server.folder.rglob("*"))
    assert me.ask(f"/api/keys/{key}/store", {"name": name, "passphrase": None}).status == 400
    assert sorted(server.folder.rglob("*")) == before


def test_names_of_uploads_are_made_safe(me: Visitor) -> None:
    assert me.upload(b"x", "../../etc/pass\r\nwd")["name"] == "passwd"
    assert me.upload(b"x", "C:\\x\\con")["name"] == "_con"
    assert me.upload(b"x", "..")["name"] == "file"


SCRIPT = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>'; drop"


def test_script_in_names_and_texts_stays_text(me: Visitor) -> None:
    key = me.new_key("256x256")["id"]
    file = me.upload(b"<svg onload=alert(1)>" * 20, f"{SCRIPT}.svg")
    last = me.run(kind="hide", key=key, cover=None, payloads={"": {"upload": file["id"]}})
    found = me.run(kind="reveal", key=key, upload=me.upload(me.part(last, "stego").body)["id"])
    answer = me.part(found, "secret")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert disposition.count('"') == 2
    assert "<" not in disposition
    shown = me.run(kind="reveal", key=key, upload=me.upload(me.hide(key, SCRIPT))["id"])
    assert shown["result"]["text"] == SCRIPT


def test_every_answer_is_locked_down(me: Visitor) -> None:
    nonces = set()
    for path in ("/", "/static/app.js", NEEDED, "/api/nothing", "/nothing"):
        headers = me.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers
        nonces.add(policy.partition("'nonce-")[2].partition("'")[0])
    assert len(nonces) == 5
    page = me.ask("/")
    nonce = page.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    assert f'nonce="{nonce}"'.encode() in page.body
    assert b"__NONCE__" not in page.body


def hostile_pictures() -> dict[str, bytes]:
    def png(width: int, height: int, data: bytes) -> bytes:
        def chunk(kind: bytes, content: bytes) -> bytes:
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG")
    return {
        "bomb": png(60_000, 4_000, zlib.compress(bytes(1 << 20), 9)),
        "too large": png(1 << 30, 1 << 30, b""),
        "cut short": buffer.getvalue()[:300],
        "empty": b"",
        "script": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file",
        "noise": bytes(range(256)) * 40,
    }


@pytest.mark.parametrize("name", hostile_pictures())
def test_hostile_pictures_end_in_an_error(me: Visitor, name: str) -> None:
    key = me.new_key("64x64")["id"]
    upload = me.upload(hostile_pictures()[name], "a.png")["id"]
    for job in ({"kind": "reveal", "key": key}, {"kind": "inspect"}):
        last = me.run(**job, upload=upload)
        assert last["state"] == "failed"
        assert last["error"]["kind"] in ("PictureError", "NoMessageError")
        assert "Traceback" not in json.dumps(last)
    assert me.ask("/healthz").status == 200


def test_jobs_beyond_the_limit_are_refused_and_all_others_end(me: Visitor) -> None:
    key = me.new_key("512x512")["id"]
    job = {"kind": "hide", "key": key, "cover": None, "payloads": {"": {"text": "many"}}}
    answers = [me.ask("/api/jobs", job) for _ in range(200)]
    started = [each.json["job"] for each in answers if each.status == 200]
    refused = [each for each in answers if each.status == 429]
    assert len(started) + len(refused) == 200
    assert 9 <= len(started) < 100
    for each in started:
        me.ask(f"/api/jobs/{each}", method="DELETE")
    assert {me.states(each)[-1]["state"] for each in started} <= {"done", "cancelled"}
    assert me.ask("/api/jobs", job).status == 200


BAD_BODIES: list[tuple[str, Any]] = [
    ("/api/keys/new", {"size": "512x512", "profile": "../x", "receivers": []}),
    ("/api/keys/new", {"size": "99999x99999", "profile": "standard"}),
    ("/api/keys/new", {"size": [], "profile": "standard"}),
    ("/api/keys/new", {"size": "64", "profile": "standard", "receivers": ["A b"]}),
    ("/api/keys/open", {"text": "no key", "name": "x"}),
    ("/api/keys/open", {"text": "\ud800"}),
    ("/api/keys/phrase", {"passphrase": "password", "size": "512", "profile": "standard"}),
    ("/api/keys/phrase/new", {"words": 10**30}),
    ("/api/jobs", {"kind": "shell"}),
    ("/api/jobs", {"kind": "hide", "payloads": {"": 1}}),
    ("/api/covers", {"key": "x", "count": 1}),
    ("/api/keys/new", {"size": "64", "profile": "standard", "receivers": ["\ud800"]}),
    ("/api/preview", {"key": "x", "text": "\ud800"}),
    ("/api/jobs", []),
    ("/api/jobs", "x"),
]


@pytest.mark.parametrize(("path", "content"), BAD_BODIES)
def test_bad_bodies_are_errors(server: Any, me: Visitor, path: str, content: Any) -> None:
    assert me.ask(path, content).status in (400, 404)
    assert "defect" not in server.printed


def test_bodies_that_are_no_json_are_errors(me: Visitor) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"[" * 100_000, b"\xff"):
        assert me.ask("/api/jobs", body=body, headers=headers).status == 400
    assert me.ask("/api/jobs", body=b"{}", headers={"Content-Type": "text/plain"}).status == 400


def test_settings_reach_nothing_but_numbers_of_methods(me: Visitor) -> None:
    key = me.new_key("64x64")["id"]
    for settings in (
        {"device": "cpu"},
        {"evade": "/etc/passwd"},
        {"steps": "1"},
        {"recovered": float("nan")},
        {"form": "c"},
    ):
        job = {"kind": "hide", "key": key, "cover": None, "payloads": {"": {"text": "x"}}, "settings": settings}
        body = json.dumps(job).encode()
        answer = me.ask("/api/jobs", body=body, headers={"Content-Type": "application/json"})
        last = answer.json if answer.status != 200 else me.states(answer.json["job"])[-1]
        assert last["error"]["kind"] == "UsageError"


MARK = "Kuckucksuhr-4711-Geheimnis"


def test_nothing_of_a_secret_is_on_disk_in_output_or_in_addresses(start_server: Callable[..., Any]) -> None:
    server = start_server()
    me = Visitor(server.url, server.token)
    phrase = "zebra lamp orbit cactus violin harbour"
    key = me.ask("/api/keys/phrase", {"passphrase": phrase, "size": "256x256", "profile": "standard"}).json
    file = me.upload(MARK.encode() * 50, f"{MARK}.txt")
    last = me.run(kind="hide", key=key["id"], cover=None, payloads={"": {"upload": file["id"]}})
    found = me.run(kind="reveal", key=key["id"], upload=me.upload(me.part(last, "stego").body)["id"])
    assert me.part(found, "secret").body == MARK.encode() * 50
    failed = me.run(kind="reveal", key=me.new_key("256x256")["id"], upload=me.upload(me.part(last, "stego").body)["id"])
    assert failed["state"] == "failed"
    me.ask(f"/api/keys/{key['id']}/store", {"name": "../x", "passphrase": phrase})
    files = [each for each in server.folder.rglob("*") if each.is_file()]
    assert [each for each in files if each != server.log] == []
    output = server.printed
    for word in (MARK, "zebra", "cactus", "root", me.token or ""):
        assert word not in output
        assert word not in json.dumps(last["result"]["parts"])
    if Path("/proc/self/maps").exists():  # files that are open or deleted
        opened = [os.readlink(each) for each in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        assert not [each for each in opened if str(server.folder / "tmp") in each or each.startswith("/tmp/tmp")]


def test_keys_leave_as_files_alone(server: Any, me: Visitor) -> None:
    key = me.new_key("64x64")
    text = me.ask(f"/api/keys/{key['id']}/file").body.decode()
    lines = re.findall(r"(?:[0-9a-f]{4} ){4}", text)
    assert len(lines) == 4
    answers = me.ask(NEEDED).body.decode() + json.dumps(key)
    assert not [line for line in lines if line in answers]


def test_stored_keys_are_the_owners_alone(server: Any, me: Visitor) -> None:
    key = me.new_key("64x64")["id"]
    assert me.ask(f"/api/keys/{key}/store", {"name": "Mine 1", "passphrase": None}).json["stored"] == "Mine 1"
    path = server.folder / "home" / "keys" / "Mine 1.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    again = me.ask(f"/api/keys/{key}/store", {"name": "Mine 1", "passphrase": None})
    assert (again.status, again.kind) == (400, "KeyFileError")


def test_an_open_stream_does_not_keep_the_server(start_server: Callable[..., Any]) -> None:
    server = start_server()
    me = Visitor(server.url, server.token)
    key = me.new_key("1024x1024")["id"]
    job = {"kind": "hide", "key": key, "cover": None, "payloads": {"": {"text": "x"}}}
    jobs = [me.start(**job) for _ in range(3)]
    lines = f"GET /api/jobs/{jobs[-1]}/events HTTP/1.1", f"Authorization: Bearer {me.token}"
    with raw(me.port, *lines) as stream:
        assert b"waiting" in received(stream, b"waiting")
        started = time.monotonic()
        assert server.stop() == 0
        took = time.monotonic() - started
    assert took < 10
    assert "Traceback" not in server.printed


def test_sigterm_ends_it_as_any_command(start_server: Callable[..., Any]) -> None:
    server = start_server()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(WAIT) == 143
    assert "Traceback" not in server.printed
