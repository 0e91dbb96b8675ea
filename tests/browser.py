"""A real browser, driven through the DevTools protocol."""

import base64
import contextlib
import itertools
import json
import os
import resource
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
ADDRESSES = 64 * 2**30
"""Bytes of address space (not of memory) that Chromium sets aside at its start; with less it dies."""


def why_no_browser() -> str:
    """Why no browser can be started here; "" where one can."""
    if not BROWSER:
        return "there is no Chromium on this machine"
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < ADDRESSES:
        return f"Chromium does not start with {limit / 2**30:.0f} GiB of addresses: ulimit -v unlimited"
    return ""


class Browser:
    """One headless window; records which addresses its pages ask for, and what they say of errors.

    Args:
        profile: an empty folder.
        width: pixels across.
        dark: whether pages are asked to be dark.
    """

    def __init__(self, profile: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        words = [
            BROWSER, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
            "--hide-scrollbars", "--disable-dev-shm-usage", "about:blank",
        ]  # fmt: skip
        if os.geteuid() == 0:
            words.insert(1, "--no-sandbox")
        with (profile.parent / "browser.log").open("wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            self._begin(profile, width, height, dark)
        except BaseException:
            self._end()
            raise

    def _begin(self, profile: Path, width: int, height: int, dark: bool) -> None:
        from websockets.sync.client import connect

        port = self._port(profile / "DevToolsActivePort")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=20) as answer:
            pages = [target for target in json.load(answer) if target["type"] == "page"]
        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(
            connect(pages[0]["webSocketDebuggerUrl"], max_size=None, open_timeout=20)
        )
        self._numbers = itertools.count(1)
        self.asked: list[str] = []
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Network", "DOM", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def _port(self, file: Path) -> int:
        for _ in range(300):
            if file.is_file() and (text := file.read_text().split("\n")) and text[0]:
                return int(text[0])
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        said = (file.parents[1] / "browser.log").read_text()[-800:]
        raise TimeoutError(f"the browser does not start (status {self.process.poll()}): {said}")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol; its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.asked.append(parameters["request"]["url"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"].get("exception", {}).get("description")))
        if message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")

    def resize(self, width: int, height: int) -> None:
        """Make the window so large."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )  # fmt: skip

    def open(self, address: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=address)

    def value(self, script: str) -> Any:
        """What a script gives."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)["result"].get(
            "value"
        )

    def wait(self, script: str, seconds: float = 60) -> Any:
        """What a script gives as soon as that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.value(script):
                return found
            time.sleep(0.1)
        raise TimeoutError(f"{script} is not true; the page says {self.value('document.body.innerText')[:500]!r}")

    def give(self, selector: str, file: Path) -> None:
        """Put a file into an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def picture(self, path: Path, whole: bool = True) -> Path:
        """A screenshot."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def close(self) -> None:
        """End it."""
        self._open.close()
        self._end()

    def _end(self) -> None:
        self.process.kill()
        self.process.wait(20)
