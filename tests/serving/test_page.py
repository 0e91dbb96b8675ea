"""The page, in a real browser."""

import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.browser import Browser, why_no_browser
from tests.serving.served import Server, ask, noise, served

pytest.importorskip("gradio", reason="the extra serve is not installed")
pytest.importorskip("websockets", reason="the browser is driven through websockets, which are not installed")
INPUT = "input[type=file]"
FIGURES = "[...document.querySelectorAll('.vg-figures img')].map(i => i.complete && i.naturalWidth)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("page"), "--max_megabytes", "4", "--max_megapixels", "2") as running:
        yield running


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if why := why_no_browser():
        pytest.skip(why)
    found = Browser(tmp_path / "profile")
    yield found
    found.close()


def test_a_picture_is_dropped_and_seen(server: Server, browser: Browser, tmp_path: Path) -> None:
    noise().save(tmp_path / "my frame.png")
    browser.open(server.address)
    browser.wait(f"!!document.querySelector('{INPUT}')")
    browser.give(INPUT, tmp_path / "my frame.png")
    browser.wait("document.querySelectorAll('.vg-figures img').length === 4")
    browser.wait(f"{FIGURES}.every(width => width === 96)")
    titles = browser.value("[...document.querySelectorAll('.vg-figures b')].map(b => b.innerText)")
    assert titles == ["Picture", "Depth", "Classes", "Confidence", "Point cloud"]
    assert browser.value("document.querySelectorAll('.vg-bar').length") == 2
    assert browser.value("document.querySelectorAll('.vg-legend li').length") >= 1
    assert int(browser.wait("document.querySelector('.vg-cloud').dataset.drawn")) == 96 * 48
    files = browser.value("[...document.querySelectorAll('.vg-files a')].map(a => a.href)")
    assert {file.rpartition("/")[2] for file in files} == {
        "my_frame.npz", "my_frame-depth.png", "my_frame-classes.png", "my_frame.ply", "my_frame.glb"
    }  # fmt: skip
    assert all(ask(file).status == 200 for file in files)
    own = urllib.parse.urlsplit(server.address).netloc
    addresses = [urllib.parse.urlsplit(address) for address in browser.asked]
    assert {address.netloc for address in addresses if address.scheme.startswith("http")} == {own}
    assert browser.errors == []


@pytest.mark.parametrize(("name", "said"), [("broken.png", "picture.png is "), ("large.png", "million pixels")])
def test_why_there_is_nothing_to_see(server: Server, browser: Browser, tmp_path: Path, name: str, said: str) -> None:
    if name == "broken.png":
        (tmp_path / name).write_bytes(b"no picture")
    else:
        Image.new("1", (10_000, 10_000)).save(tmp_path / name)
    browser.open(server.address)
    browser.wait(f"!!document.querySelector('{INPUT}')")
    browser.give(INPUT, tmp_path / name)
    trouble = browser.wait("document.querySelector('.vg-trouble')?.innerText.replace(/^P/, 'p')")
    assert said in trouble
    assert os.sep + "tmp" not in trouble


OTHER_FILES = [
    "gradio_api/file=/etc/passwd", "gradio_api/file=../../../etc/passwd", "file=/etc/passwd",
    "static/..%2f..%2fpyproject", "theme.css/../../etc/passwd", "gradio_api/proxy=https://example.com/",
]  # fmt: skip


@pytest.mark.parametrize("path", OTHER_FILES)
def test_the_page_gives_no_other_files(server: Server, path: str) -> None:
    answer = ask(f"{server.address}/{path}")
    assert answer.status >= 400
    assert b"root:" not in answer.body


def test_the_page_knows_no_path_of_the_machine(server: Server) -> None:
    for path in ("", "config", "gradio_api/info"):
        body = ask(f"{server.address}/{path}").body
        assert str(server.run.parent).encode() not in body
        assert str(Path(__file__).parents[2]).encode() not in body
    for elsewhere in (b"fonts.googleapis", b"cdn", b"huggingface.co"):
        assert elsewhere not in ask(server.address).body
