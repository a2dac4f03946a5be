"""The page: time to the first page, memory, the preview behind the slider, and memory after a soak of requests.

A server of its own is started as people start it. Its preview is asked for at every stop of the slider, with a photograph
in a cover of 512x512; CPU seconds are those of the server. Where playwright and chromium are, a real browser moves the
slider as well, until the pictures are drawn. The soak uploads, hides, reveals, previews and asks for what is not there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote

import common

FIRST_PAGE, IDLE_MB, PREVIEW, GROWTH_MB = 1.0, 150.0, 0.5, 50.0
"""Bars: seconds, MB, seconds at 95 %, MB after the soak."""
STOPS = range(20, 46)
"""Stops of the slider in dB."""
_MOVE = """(slider, stop) => new Promise((done) => {
  const pictures = document.getElementById("hide-preview");
  const started = performance.now();
  new MutationObserver((changes, observer) => {
    if (pictures.classList.contains("stale")) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - started) / 1000)));
  }).observe(pictures, { attributeFilter: ["class"] });
  slider.value = stop;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})"""
"""Moves the slider, and gives the seconds until what came of it is on the screen."""
_LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/#launch=([\w-]+)")


class Page:
    """A server, and somebody who asks it."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {"CSFNNS_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
        started = time.perf_counter()
        command = [sys.executable, "-m", "csfnns", "web", "--no-browser"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        found = None
        while found is None:
            line = self.process.stdout.readline().decode()
            if not line:
                raise SystemExit("csfnns web printed no link.")
            found = _LINK.search(line)
        self._connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=600)
        self._token = ""
        self.ask("/")
        self.first_page = time.perf_counter() - started
        self._token = self.ask("/api/session", {"launch": found[2]})["token"]

    def ask(self, path: str, content: Any = None, *, body: bytes | None = None, expect: int = 200) -> Any:
        """JSON, or the bytes of everything else."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if content is not None:
            body, headers["Content-Type"] = json.dumps(content).encode(), "application/json"
        elif body is not None:
            headers["X-Name"] = quote("a.png")
        self._connection.request("GET" if body is None else "POST", path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        self._connection.close()  # the server closes idle ones by itself
        if answer.status != expect:
            raise SystemExit(f"{path} answers {answer.status}: {data[:200]!r}")
        return json.loads(data) if answer.getheader("Content-Type", "").startswith("application/json") else data

    def run(self, **job: Any) -> dict[str, Any]:
        """Result of a job."""
        states = self.ask(f"/api/jobs/{self.ask('/api/jobs', job)['job']}/events").splitlines()
        last = json.loads([line for line in states if line.strip()][-1])
        if last["state"] != "done":
            raise SystemExit(f"A job ended so: {last}")
        result: dict[str, Any] = last["result"]
        return result

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6

    @property
    def cpu(self) -> float:
        """CPU seconds of all threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> float:
        """Seconds until the server has ended."""
        started = time.perf_counter()
        self.process.send_signal(2)
        self.process.wait(60)
        return time.perf_counter() - started


def previews(page: Page, photo: bytes, rounds: int) -> tuple[list[float], float]:
    """Seconds of a preview at each stop of the slider, and CPU seconds of one."""
    key = page.ask("/api/keys/new", {"size": "512x512", "profile": "standard", "receivers": []})["id"]
    cover = page.ask("/api/covers", {"key": key, "count": 1})["covers"][0]["id"]
    asked = {"key": key, "cover": cover, "upload": page.ask("/api/uploads", body=photo)["id"]}
    page.ask("/api/preview", {**asked, "quality": 38})  # reads the photograph
    found: list[float] = []
    before = page.cpu
    for stop in [*STOPS] * rounds:
        started = time.perf_counter()
        page.ask("/api/preview", {**asked, "quality": stop})
        found.append(time.perf_counter() - started)
    return found, (page.cpu - before) / len(found)


def drawn(page: Page, photo: Path) -> list[float]:
    """Seconds from a move of the slider until a browser has drawn all pictures, at each stop; [] without a browser."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ModuleNotFoundError:
        return []
    chromium = shutil.which("chromium")
    if chromium is None:
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.set_default_timeout(60_000)
        tab.goto(page.ask("/api/launch", {})["link"])
        room = tab.get_by_role("tabpanel", name="Hide")
        room.get_by_label("Choose a photo or file").set_input_files(photo)
        expect(room.get_by_text("dB)")).to_be_visible(timeout=60_000)
        seconds: list[float] = [room.get_by_role("slider").evaluate(_MOVE, stop) for stop in STOPS]
        browser.close()
    return seconds


def soak(page: Page, photo: bytes, requests: int) -> tuple[float, float]:
    """Memory in MB before and after so many requests."""
    key = page.ask("/api/keys/new", {"size": "128x128", "profile": "standard", "receivers": []})["id"]

    def one() -> int:
        upload = page.ask("/api/uploads", body=photo)["id"]
        cover = page.ask("/api/covers", {"key": key, "count": 1})["covers"][0]["id"]
        page.ask(f"/api/covers/{cover}")
        page.ask("/api/preview", {"key": key, "cover": cover, "upload": upload, "quality": 22})
        hidden = page.run(kind="hide", key=key, cover=cover, payloads={"": {"text": "a text of the soak"}})
        stego = page.ask(hidden["parts"]["stego"]["url"])
        page.run(kind="reveal", key=key, upload=page.ask("/api/uploads", body=stego)["id"])
        page.ask("/api/results/nothing/secret", expect=404)
        for each in ("/", "/static/app.js", "/healthz", "/api/keys"):
            page.ask(each)
        return 15

    for _ in range(5):  # loads what it needs
        one()
    before, done = page.memory, 0
    while done < requests:
        done += one()
    return before, page.memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, save; exit status 1 where a bar is missed."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="of the soak (default %(default)s)")
    given = parser.parse_args(arguments)
    picture = common.pictures(given.data / "kodak")[0]
    photo = picture.read_bytes()
    small = common.pictures(given.data / "secrets" / "celebahq")[0].read_bytes()
    starts, idle = [], []
    for _ in range(1 if given.quick else 5):
        with tempfile.TemporaryDirectory() as folder:
            page = Page(Path(folder))
            starts.append(page.first_page)
            time.sleep(3)  # what it loads behind the page
            idle.append(page.memory)
            page.stop()
    with tempfile.TemporaryDirectory() as folder:
        page = Page(Path(folder))
        seconds, cpu = previews(page, photo, 1 if given.quick else 4)
        moves = drawn(page, picture)
        before, after = soak(page, small, given.requests // 10 if given.quick else given.requests)
        ended = page.stop()
    found = {
        "first_page": min(starts),
        "idle_mb": max(idle),
        "preview_median": median(seconds),
        "preview_95": quantiles(seconds, n=20)[-1],
        "preview_cpu": cpu,
        "soak_before_mb": before,
        "soak_after_mb": after,
        "stop": ended,
    }
    if moves:
        found |= {"drawn_median": median(moves), "drawn_95": quantiles(moves, n=20)[-1]}
    bars = {"first_page": FIRST_PAGE, "idle_mb": IDLE_MB, "preview_95": PREVIEW, "soak_after_mb": before + GROWTH_MB}
    if moves:
        bars["drawn_95"] = PREVIEW
    failed = [f"{name}: {found[name]:.2f}, bar {bar:.2f}" for name, bar in bars.items() if found[name] > bar]
    common.print_table(("", "value", "bar"), [(name, value, bars.get(name, "")) for name, value in found.items()])
    return common.finish("web", {"results": found, "requests": given.requests}, failed, given.out)


if __name__ == "__main__":
    sys.exit(main())
