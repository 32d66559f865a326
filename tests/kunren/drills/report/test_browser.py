"""The page in a browser, at the width of a phone and of a desk, light and dark: what is shown is what the JSON says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kunren.drills.checkers.objectives import shown

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
WIDTHS = {"phone": (390, 844, True), "desk": (1280, 900, False)}
TEXT = "document.body.innerText"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
ESCAPED = """[...document.querySelectorAll("main *")].filter(each => !each.closest(".scroll, pre, svg, details")
    && each.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(each => each.outerHTML.slice(0, 80))"""
COLOURS = 'getComputedStyle(document.body).backgroundColor + " " + getComputedStyle(document.body).color'


class Browser:
    """Chromium without a window, spoken to over two pipes by its DevTools protocol; it has no network at all."""

    def __init__(self, folder: Path) -> None:
        hear, self._say = os.pipe()
        self._hear, say = os.pipe()
        alone = ["unshare", "--net", *(() if os.getuid() == 0 else ("--user", "--map-root-user")), "--"]
        # the protocol's pipes are descriptors 3 and 4 of the browser
        command = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
        self._process = subprocess.Popen(
            [*alone, "bash", "-c", command, "bash", str(hear), str(say), CHROMIUM, *flags, f"--user-data-dir={folder}"],
            pass_fds=(hear, say), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(hear)
        os.close(say)
        self._heard, self._number, self._session = b"", 0, ""

    def open(self, file: Path) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Page.navigate", url=file.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        told = {"id": self._number, "method": method, "params": parameters}
        os.write(self._say, json.dumps(told | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._heard:
            data = os.read(self._hear, 1 << 20)
            assert data, "the browser has ended"
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\0")
        return json.loads(line)

    def value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def resize(self, width: int, height: int, phone: bool) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def paint(self, scheme: str) -> str:
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        return self.value(COLOURS)

    def end(self) -> None:
        os.close(self._say)
        os.close(self._hear)
        self._process.kill()
        self._process.wait()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    made = Browser(tmp_path / "browser")
    yield made
    made.end()


@pytest.mark.timeout(300)
def test_at_any_width_the_page_shows_the_numbers_of_the_json_and_nothing_sticks_out(browser, report, tmp_path):
    html, result, _ = report(question="Long? " * 40, title="A-very-long-name-of-a-drill " * 3)
    (tmp_path / "report.html").write_text(html)
    told = json.loads(json.dumps(result.as_json()))
    browser.open(tmp_path / "report.html")
    for width in WIDTHS.values():
        browser.resize(*width)
        text = browser.value(TEXT)
        for each in told["objectives"]:
            assert f"{shown(each['name'], each['target'])}\t{shown(each['name'], each['measured'])}" in text
        counts = [f"{told['operations'][key]:,}" for key in ("sent", "ok", "failed", "unknown")]
        assert "\t".join(counts) in text
        for phase, levels in told["latency_ms"].items():
            assert f"{phase} the fault\t{levels['p50']:,.1f} ms\t{levels['p99']:,.1f} ms" in text
        for each in told["faults"]:
            assert f"{each['name']}\t{each['started_s']:.2f} s\t{each['healed_s']:.2f} s" in text
        assert browser.value(WIDER) == 0
        assert browser.value(ESCAPED) == []
    assert [browser.paint(each) for each in ("light", "dark")] == [
        "rgb(255, 255, 255) rgb(28, 36, 48)", "rgb(20, 24, 30) rgb(230, 234, 240)",
    ]  # fmt: skip
    browser.call(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert browser.value(COLOURS) == "rgb(255, 255, 255) rgb(28, 36, 48)", "paper is white"
