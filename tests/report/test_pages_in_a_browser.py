"""What the pages' script does, in a real browser: values under the pointer, 3-D view, curves, pictures shown large."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser import Browser, why_no_browser
from tests.report.depth_run import HEIGHT, WIDTH, depth_run
from tests.report.test_propagation_page import carried
from vergence.report.page import write_report
from vergence.report.propagation_page import write_propagation_page

pytest.importorskip("websockets", reason="the browser is driven through websockets, which are not installed")
PANEL = "[...document.querySelectorAll('.panel')].find(panel => panel.querySelector('script.probes'))"
READ = f"[...{PANEL}.querySelectorAll('.readout span')].map(part => part.innerText)"
CLOUD = (
    "(() => { const c = document.querySelector('canvas.cloud'), d = c.getContext('2d').getImageData(0, 0, c.width, "
    "c.height).data; let n = 0, h = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3]) { n++; h = (h * 31 + i) "
    "% 1e9; } return [n, h]; })()"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(depth_run(tmp_path_factory.mktemp("run")), images=1)


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Opens a page in a browser, which has asked for that file alone when it is closed."""
    if why := why_no_browser():
        pytest.skip(why)
    opened: list[Browser] = []

    def show(path: Path, **size: Any) -> Browser:
        opened.append(Browser(tmp_path / f"profile{len(opened)}", **size))
        opened[-1].open(path.as_uri())
        opened[-1].wait("document.readyState === 'complete'")
        return opened[-1]

    yield show
    for browser in opened:
        browser.close()
        assert {address for address in browser.asked if not address.startswith("data:")} == {browser.asked[0]}
        assert browser.errors == []


def pointed(browser: Browser, place: str, x: float, y: float, *events: str) -> None:
    """The mouse at a share of an element's width and height; then further events there."""
    left, top, width, height = browser.value(
        f"(() => {{ const e = {place}; e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect(); "
        "return [b.left, b.top, b.width, b.height]; })()"
    )
    for event in ("mouseMoved", *events):
        browser.call(
            "Input.dispatchMouseEvent", type=event, x=left + x * width, y=top + y * height, button="left", clickCount=1,
            buttons=int(event == "mousePressed"),
        )  # fmt: skip


def test_values_under_the_pointer_are_those_of_the_files(page: Path, window: Callable[..., Browser]) -> None:
    browser = window(page)
    name = browser.value(f"{PANEL}.querySelector('h3').innerText")
    truth = np.load(page.parents[1] / f"val{name.rpartition(' ')[2]}.npy")
    for row, column in ((0, 0), (10, 100), (HEIGHT - 1, WIDTH - 1)):
        pointed(browser, f"{PANEL}.querySelector('img')", (column + 0.5) / WIDTH, (row + 0.5) / HEIGHT)
        told = dict(part.rsplit(" ", 1) for part in browser.wait(f"{READ}.length >= 3 && {READ}"))
        assert float(told["measured"].split("\u202f")[0]) == pytest.approx(truth[row, column], rel=0.005)
        assert told["error"].endswith("%")
    marks = browser.value(f"[...{PANEL}.querySelectorAll('.probed > i')].filter(mark => !mark.hidden).length")
    assert marks == browser.value(f"{PANEL}.querySelectorAll('img').length") > 3


def test_a_frame_in_3d_turns(page: Path, window: Callable[..., Browser]) -> None:
    browser = window(page)
    browser.value(f"{PANEL}.querySelector('.view').click()")
    browser.wait("!!document.querySelector('canvas.cloud')")
    before = browser.wait(f"{CLOUD}[0] > 500 && {CLOUD}")
    canvas = "document.querySelector('canvas.cloud')"
    pointed(browser, canvas, 0.4, 0.5, "mousePressed")
    pointed(browser, canvas, 0.6, 0.5, "mouseReleased")
    after = browser.wait(f"{CLOUD}[1] !== {before[1]} && {CLOUD}")
    assert after[0] > 500
    browser.value(f"{PANEL}.querySelector('.view').click()")
    assert not browser.value("!!document.querySelector('canvas.cloud')")


def test_curves_tell_what_the_log_says_and_change_their_axis(page: Path, window: Callable[..., Browser]) -> None:
    browser = window(page)
    records = [json.loads(line) for line in (page.parent / "metrics.jsonl").read_text().splitlines()]
    loss = {record["step"]: record["loss"] for record in records if record["kind"] == "train"}
    chart = "[...document.querySelectorAll('.chart')].find(chart => chart.innerText.includes('Losses'))"
    drawings = f"[...{chart}.querySelectorAll('.drawing')].map(drawing => drawing.offsetHeight > 0)"
    assert browser.value(drawings) == [True, False]
    browser.value(f"{chart}.querySelector('.log').click()")
    assert browser.value(drawings) == [False, True]
    browser.value(f"{chart}.querySelector('.log').click()")
    for step in (20, 40):
        left, right = browser.value(f"JSON.parse({chart}.querySelector('script').textContent).axis")
        first, last = browser.value(f"JSON.parse({chart}.querySelector('script').textContent).range")
        pointed(browser, f"{chart}.querySelector('.drawing')",
                left + (right - left) * (step - first) / (last - first), 0.5)  # fmt: skip
        text = browser.wait(f"{chart}.querySelector('.readout').innerText")
        assert f"step {step}" in text
        assert float(text.split()[-1]) == pytest.approx(loss[step], rel=1e-3)


@pytest.mark.parametrize("kind", ["report", "propagation"])
def test_a_click_shows_a_picture_large(page: Path, window: Callable[..., Browser], tmp_path: Path, kind: str) -> None:
    browser = window(page if kind == "report" else write_propagation_page(carried(tmp_path, 0.9)))
    pointed(browser, "document.querySelector('figure img')", 0.5, 0.5, "mousePressed", "mouseReleased")
    browser.wait("document.querySelector('dialog.large')?.open")
    assert browser.value("document.querySelector('dialog.large img').naturalWidth") > 0
    browser.value("document.querySelector('dialog.large').click()")
    browser.wait("!document.querySelector('dialog.large')")


@pytest.mark.parametrize("width", [1200, 390])
def test_the_confidence_of_a_carried_label_lies_below_it(
    window: Callable[..., Browser], tmp_path: Path, width: int
) -> None:
    browser = window(write_propagation_page(carried(tmp_path, 0.9)), width=width)
    assert browser.value("document.documentElement.scrollWidth") == width
    boxes = browser.value(
        "Object.fromEntries([...document.querySelectorAll('.way figure')].map(figure => { const b = "
        "figure.getBoundingClientRect(); return [figure.querySelector('img').alt, [b.left, b.top, b.right, b.bottom]]; "
        "}))"
    )
    (left, _, right, bottom), below, hand = boxes["1"], boxes["1, confidence"], boxes["0"]
    assert (below[0], below[2]) == (left, right)
    assert 0 <= below[1] - bottom < 12
    assert (hand[0] < left) if width == 1200 else (hand[3] < boxes["1"][1])  # frames in rows, or one below the other


def test_on_a_narrow_dark_screen_nothing_lies_outside(page: Path, window: Callable[..., Browser]) -> None:
    browser = window(page, width=390, dark=True)
    assert browser.value("document.documentElement.scrollWidth") == 390
    light = browser.value("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")
    dark = browser.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert min(light) > 200
    assert max(dark) < 40
