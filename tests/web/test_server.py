"""What the server does when it is asked as the page asks."""

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")

from visitor import WAIT, Visitor, raw, received

import csfnns
from csfnns.covers import AbstractCovers
from csfnns.images.output import encode_picture
from csfnns.stream import Seed


@pytest.fixture
def me(server: Any) -> Visitor:
    return Visitor(server.url, server.token)


@pytest.fixture(scope="module")
def photo() -> bytes:
    return encode_picture(AbstractCovers(160, 128)(Seed(bytes(32))), ".png")


def test_it_says_that_it_is_there(me: Visitor) -> None:
    assert me.ask("/healthz", headers={"Authorization": ""}).json == {"status": "ok"}
    about = me.ask("/api/about").json
    assert about["version"] == csfnns.__version__
    assert {"standard", "robust", "paper"} == {each["name"] for each in about["profiles"]}
    assert about["limits"] == {"body": 64 << 20, "jobs": 8, "side_min": 64, "side_max": 4096}


def test_a_picture_goes_through(me: Visitor, photo: bytes) -> None:
    key = me.new_key("256x256")
    upload = me.upload(photo, "beach.png")
    assert (upload["kind"], upload["width"], upload["height"]) == ("picture", 128, 160)
    cover = me.ask("/api/covers", {"key": key["id"], "count": 3}).json["covers"][0]
    assert me.ask(f"/api/covers/{cover['id']}").body.startswith(b"RIFF")
    job = {"kind": "hide", "key": key["id"], "cover": cover["id"], "payloads": {"": {"upload": upload["id"]}}}
    states = me.states(me.start(**job, quality=30))
    assert {each["state"] for each in states} <= {"waiting", "running", "done"}
    result = states[-1]["result"]
    assert result["method"] == "trellis"
    assert result["sentences"][0].startswith("The picture is ready: a 128x160 picture is inside and arrives")
    stego = me.part(states[-1], "stego")
    assert stego.headers["content-type"] == "image/png"
    found = me.run(kind="reveal", key=key["id"], upload=me.upload(stego.body)["id"])
    assert found["result"]["state"] == "unchanged"
    assert (found["result"]["name"], found["result"]["message"]) == ("beach.png", result["message"])
    assert me.part(found, "preview").body.startswith(b"\x89PNG")
    again = me.run(**job)
    assert again["error"]["kind"] == "UsageError"
    assert "carried a message already" in again["error"]["message"]


def test_receivers_get_their_own_and_nobody_elses(me: Visitor) -> None:
    team = me.new_key("256x256", "bob", "carol")
    assert (team["role"], team["receivers"]) == ("sender", ["bob", "carol"])
    job = {"kind": "hide", "key": team["id"], "payloads": {"bob": {"text": "for bob"}}}
    for wrong in ({"payloads": {"eve": {"text": "x"}}}, {"payloads": {"": {"text": "x"}}}, {"method": "telepathy"}):
        assert me.ask("/api/jobs", job | wrong).status == 400  # before it is a job
    payloads = {"bob": {"text": "for bob"}, "carol": {"text": "for carol"}}
    last = me.run(**job | {"payloads": payloads, "format": "webp"})
    stego = me.upload(me.part(last, "stego").body)["id"]
    for name in payloads:
        text = me.ask(f"/api/keys/{team['id']}/file?receiver={name}").body.decode()
        theirs = me.ask("/api/keys/open", {"text": text, "name": f"{name}.key"}).json
        assert (theirs["role"], theirs["words"]) == ("receiver", team["words"])
        assert me.run(kind="reveal", key=theirs["id"], upload=stego)["result"]["text"] == f"for {name}"
    stranger = me.new_key("256x256")
    assert me.run(kind="reveal", key=stranger["id"], upload=stego)["error"]["kind"] == "NoMessageError"


def test_a_preview_is_three_pictures_that_nobody_reveals(me: Visitor, photo: bytes) -> None:
    key = me.new_key("256x256")
    (cover,) = me.ask("/api/covers", {"key": key["id"], "count": 1}).json["covers"]
    asked = {"key": key["id"], "cover": cover["id"], "upload": me.upload(photo)["id"], "quality": 30}
    body = me.ask("/api/preview", asked, headers={"X-Tab": "a"}).body
    (length,) = struct.unpack(">I", body[:4])
    about = json.loads(body[4 : 4 + length])
    assert (about["width"], about["height"]) == (256, 256)
    assert about["sentence"].startswith("A 128x160 picture arrives")
    pixels = body[4 + length :]
    assert len(pixels) == 4 * (2 * 256 * 256 + 128 * 160)
    stego = Image.frombytes("RGBA", (256, 256), pixels[: 4 * 256 * 256]).convert("RGB")
    last = me.run(kind="reveal", key=key["id"], upload=me.upload(encode_picture(np.asarray(stego), ".png"))["id"])
    assert last["error"]["kind"] == "NoMessageError"
    robust = me.new_key("256x256", profile="robust")["id"]
    assert me.ask("/api/preview", asked | {"key": robust, "cover": None}).kind == "UsageError"


def test_a_newer_preview_of_a_tab_ends_the_older(me: Visitor, photo: bytes) -> None:
    key = me.new_key("512x512")
    asked = {"key": key["id"], "cover": None, "upload": me.upload(photo)["id"]}
    answers: list[int] = []

    def ask(quality: int, tab: str) -> None:
        answers.append(me.ask("/api/preview", asked | {"quality": quality}, headers={"X-Tab": tab}).status)

    threads = [threading.Thread(target=ask, args=(20 + i, "one tab")) for i in range(6)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join(WAIT)
    assert 409 in answers
    assert 200 in answers
    assert set(answers) == {200, 409}


def test_a_running_job_and_a_waiting_one_are_cancelled(me: Visitor, photo: bytes) -> None:
    key = me.new_key("1024x1024")["id"]
    upload = me.upload(photo)["id"]
    job = {"kind": "hide", "key": key, "cover": None, "payloads": {"": {"upload": upload}}, "quality": 45}
    first, second = me.start(**job), me.start(**job)
    lines = f"GET /api/jobs/{first}/events HTTP/1.1", f"Authorization: Bearer {me.token}"
    with raw(me.port, *lines) as stream:
        received(stream, b'"running"')
        assert me.ask(f"/api/jobs/{second}", method="DELETE").status == 200
        assert me.states(second) == [{"state": "cancelled"}]
        assert me.ask(f"/api/jobs/{first}", method="DELETE").status == 200
        assert b'"cancelled"' in received(stream, b'"cancelled"')
    assert me.states(first) == [{"state": "cancelled"}]


def test_a_job_goes_on_without_its_stream(me: Visitor) -> None:
    key = me.new_key("512x512")["id"]
    job = me.start(kind="hide", key=key, cover=None, payloads={"": {"text": "x"}})
    lines = f"GET /api/jobs/{job}/events HTTP/1.1", f"Authorization: Bearer {me.token}"
    with raw(me.port, *lines):
        pass  # the tab is closed
    assert me.states(job)[-1]["state"] == "done"


def test_protected_keys_and_passphrases(me: Visitor) -> None:
    phrase = me.ask("/api/keys/phrase/new", {"words": 6}).json
    assert (len(phrase["phrase"].split()), phrase["strength"]) == (6, "strong")
    assert me.ask("/api/keys/phrase/strength", {"passphrase": "password1"}).json["verdict"] == "weak"
    asked = {"passphrase": phrase["phrase"], "size": "64", "profile": "standard"}
    here, there = (me.ask("/api/keys/phrase", asked).json for _ in range(2))
    assert here["id"] == there["id"]
    weak = me.ask("/api/keys/phrase", asked | {"passphrase": "password1"})
    assert (weak.status, weak.kind) == (400, "WeakPassphraseError")
    key = me.new_key("64x64")
    text = me.ask(f"/api/keys/{key['id']}/file", {"passphrase": phrase["phrase"]}).body.decode()
    assert "A passphrase protects it" in text
    assert me.ask(f"/api/keys/{key['id']}", method="DELETE").status == 200
    assert me.ask(f"/api/keys/{key['id']}/file").status == 404
    assert me.ask("/api/keys/open", {"text": text, "name": "a.key"}).kind == "PassphraseNeeded"
    opened = me.ask("/api/keys/open", {"text": text, "name": "a.key", "passphrase": phrase["phrase"]}).json
    assert opened["words"] == key["words"]
    stored = me.ask(f"/api/keys/{opened['id']}/store", {"name": "kept", "passphrase": phrase["phrase"]}).json
    assert stored["stored"] == "kept"
    assert {"name": "kept", "protected": True} in me.ask("/api/keys").json["stored"]
    assert me.ask("/api/keys/stored/kept/open", {"passphrase": None}).kind == "PassphraseNeeded"
    assert me.ask("/api/keys/stored/kept/open", {"passphrase": phrase["phrase"]}).json["words"] == key["words"]


def test_keys_too_small_or_too_large_are_refused(me: Visitor) -> None:
    for size, profile in (("64x64", "robust"), ("8192x8192", "standard"), ("100x100", "standard"), ("x", "standard")):
        answer = me.ask("/api/keys/new", {"size": size, "profile": profile, "receivers": []})
        assert answer.status == 400


def run(*options: str, program: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", program] if program else [sys.executable, "-m", "csfnns"]
    return subprocess.run(
        [*command, "web", "--no-browser", *options], capture_output=True, text=True, timeout=WAIT, check=False
    )


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.returncode == 2
    assert f"Port {port} cannot be used: Address already in use." in result.stderr
    assert run("--port", "70000").returncode == 2


def test_a_missing_extra_is_one_sentence() -> None:
    program = (
        "import sys; sys.modules['starlette'] = None; sys.argv[0] = 'csfnns'\n"
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'starlette' else found(name, *rest)\n"
        "from csfnns.cli import main; main()"
    )
    result = run(program=program)
    assert result.returncode == 2
    assert "pip install 'csfnns[web]'" in result.stderr


def test_folders_of_results_must_be_there(tmp_path: Path) -> None:
    result = run("--results", str(tmp_path / "none"))
    assert result.returncode == 2
    assert "is no folder" in result.stderr


def test_the_server_listens_on_this_computer_alone(server: Any) -> None:
    port = Visitor(server.url, None).port
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("no /proc/net/tcp here")
    listening = [line.split()[1] for line in table.read_text().splitlines()[1:] if line.split()[3] == "0A"]
    assert [each for each in listening if int(each.partition(":")[2], 16) == port] == [f"0100007F:{port:04X}"]


def test_the_browser_is_opened_with_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    from csfnns import web

    opened = threading.Event()
    links: list[str] = []

    def browse(link: str) -> None:
        links.append(link)
        opened.set()
        time.sleep(0.2)  # some do not return before they are closed

    monkeypatch.setattr("webbrowser.open", browse)
    monkeypatch.setenv("DISPLAY", ":0")
    started = time.monotonic()
    web.open_browser("http://127.0.0.1:1/#launch=x")
    assert time.monotonic() - started < 0.2
    assert opened.wait(WAIT)
    assert links == ["http://127.0.0.1:1/#launch=x"]


def test_what_is_remembered_is_forgotten(start_server: Callable[..., Any]) -> None:
    from csfnns.web.store import Forgotten, Store

    store = Store(seconds=0.05, most=100)
    first, second = store.put("upload", "a", 60), store.put("upload", "b", 30)
    assert store.get("upload", first) == "a"
    third = store.put("result", "c", 30)  # the second was used longest ago
    with pytest.raises(Forgotten):
        store.get("upload", second)
    with pytest.raises(Forgotten):
        store.get("upload", third)
    assert store.get("result", store.put("result", "d", 1000)) == "d"  # alone, whatever its size
    with pytest.raises(Forgotten):
        store.get("result", third)
    last = store.put("upload", "e", 1)
    time.sleep(0.06)
    with pytest.raises(Forgotten):
        store.get("upload", last)
    with pytest.raises(Forgotten):
        store.get("upload", ["x"])
