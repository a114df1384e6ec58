"""A report in a real browser: the time to open it, to filter its cells, and to follow limits."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1300,900",
)  # fmt: skip
# A frame is over when a message sent from its animation callback arrives: style, layout and paint
# come between the two.
PROBE = """<!DOCTYPE html><body style="margin:0"><script>
const painted = () => new Promise(done => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = done;
  channel.port2.postMessage(0);
}));
const settled = async () => {
  for (let frames = 0; frames < 30; frames++) await painted();
};
const long = [];
new PerformanceObserver(list => long.push(...list.getEntries().map(entry => entry.duration)))
  .observe({type: "longtask"});
const frame = document.createElement("iframe");
frame.style.cssText = "width:100vw;height:100vh;border:0";
const start = performance.now();
frame.onload = async () => {
  await painted();
  const found = {open_ms: performance.now() - start, filters: {}, rows: {}};
  const inside = frame.contentDocument;
  const rows = [...inside.querySelectorAll(".one")];
  inside.querySelector(".filters").scrollIntoView();
  await settled();
  found.open_task_ms = Math.max(0, ...long);
  long.length = 0;
  for (const select of inside.querySelectorAll(".filters select")) {
    const name = select.parentElement.textContent.trim().split(" ")[0], times = [];
    for (const place of [1, select.options.length - 1, 0]) {
      await painted();
      const before = performance.now();
      select.selectedIndex = place;
      await painted();
      times.push(performance.now() - before);
    }
    found.filters[name] = Math.max(...times);
  }
  await settled();
  found.pick_task_ms = Math.max(0, ...long);
  long.length = 0;
  for (let step = 0; step <= 100; step++) {
    frame.contentWindow.scrollTo(0, step / 100 * inside.documentElement.scrollHeight);
    await painted();
  }
  await settled();
  found.scroll_task_ms = Math.max(0, ...long);
  inside.querySelector("#decide").scrollIntoView();
  await settled();
  const answers = inside.querySelector("#answered");
  const asked = async (key, value) => {
    const input = inside.querySelector(`[data-key=${key}]`);
    const said = new Promise(done => new MutationObserver((_, seen) => {
      seen.disconnect();
      done();
    }).observe(answers, {childList: true}));
    const before = performance.now();
    input.value = value;
    input.dispatchEvent(new Event("input", {bubbles: true}));
    await said;
    await painted();
    return performance.now() - before;
  };
  const limits = [];
  for (const value of ["70", "90", ""]) limits.push(await asked("score-at-least", value));
  found.limit_ms = Math.max(...limits);
  const clicks = [];
  for (const where of ["tr.one .follow", "figure [data-kind=symbol]", "#story-close"]) {
    await settled();
    const before = performance.now();
    inside.querySelector(where).dispatchEvent(new MouseEvent("click", {bubbles: true}));
    await painted();
    clicks.push(performance.now() - before);
  }
  found.follow_ms = Math.max(...clicks);
  for (const select of inside.querySelectorAll(".filters select")) {
    select.selectedIndex = 1;
    const name = select.parentElement.textContent.trim().split(" ")[0];
    found.rows[name] = rows.filter(row => row.checkVisibility()).length;
    select.selectedIndex = 0;
  }
  fetch("/found", {method: "POST", body: JSON.stringify(found)});
};
frame.src = "/report.html";
document.body.append(frame);
</script>"""


@dataclass(frozen=True)
class Visit:
    """A probe's findings, the console's lines, and what was requested besides the two pages."""

    found: dict[str, Any]
    console: list[str]
    requested: list[str]


def behaviour(report: Path, timeout_s: float = 120) -> dict[str, Any]:
    """Milliseconds to open a report, for the slowest answer of each choice, and for a scroll's frame.

    For the slowest answer to a limit (`limit_ms`, from the input to the frame that shows it) and to a
    click on a variant (`follow_ms`) as well.

    Also how many cells the first option of each choice leaves. Raises queue.Empty where the
    browser does not answer in time.
    """
    return visit(report, PROBE, timeout_s).found


def visit(report: Path, probe: str, timeout_s: float = 120) -> Visit:
    """The answer of a probe, a page that loads /report.html in a frame and posts to /found.

    Raises queue.Empty where the browser does not answer in time.
    """
    assert CHROMIUM is not None
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    pages = {"/probe.html": probe.encode(), "/report.html": report.read_bytes()}
    requested: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in (*pages, "/favicon.ico"):
                requested.append(self.path)
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages.get(self.path, b""))

        def do_POST(self) -> None:
            answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        address = f"http://127.0.0.1:{server.server_port}/probe.html"
        log = Path(profile) / "log"
        with log.open("wb") as written:
            browser = subprocess.Popen(
                [CHROMIUM, *FLAGS, "--enable-logging=stderr", f"--user-data-dir={profile}", address],
                stdout=subprocess.DEVNULL, stderr=written,
            )  # fmt: skip
        try:
            found = answers.get(timeout=timeout_s)
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
            server.server_close()
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return Visit(found, [line for line in lines if "CONSOLE" in line], requested)
