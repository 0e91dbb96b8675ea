"""The pages build into a site without a warning, with search, and nothing in it is loaded from elsewhere."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vergence import api

ROOT = Path(__file__).parents[1]
LOADED = re.compile(
    r'<(?:script|img|iframe)[^>]+src="([^"]+)"|<link[^>]+rel="(?:stylesheet|preconnect)"[^>]+href="([^"]+)"'
)
"""Addresses that a browser fetches by itself."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="the site is built by mkdocs-material: pip install 'vergence[docs]'")
    pytest.importorskip(
        "mkdocstrings", reason="pages of functions are made by mkdocstrings: pip install 'vergence[docs]'"
    )
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return out


def test_every_page_is_found_by_the_search(site: Path) -> None:
    text = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    found = {entry["location"].partition("#")[0] for entry in json.loads(text.removeprefix("var __index = "))["docs"]}
    pages = {f"{path.relative_to(ROOT / 'docs').with_suffix('.html')}" for path in (ROOT / "docs").rglob("*.md")}
    notebooks = {f"notebooks/{path.stem}.html" for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    assert found == pages | notebooks
    assert len(notebooks) == 2


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # its addresses begin at the root of the host
            continue
        for match in LOADED.finditer(page.read_text(encoding="utf-8")):
            address = (match[1] or match[2]).partition("?")[0]
            assert (page.parent / address).resolve().is_file(), f"{page.name} loads {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.parametrize("room", ["losses", "mixing", "models", "geometry", "metrics"])
def test_pages_of_rooms_tell_every_name(site: Path, room: str) -> None:
    page = (site / "api" / f"{room}.html").read_text(encoding="utf-8")
    for name in importlib.import_module(f"vergence.{room}").__all__:
        told = (f'id="vergence.{room}.{name}"', f'id="vergence.{room}.{name}.{name}"')  # a file may have that name, too
        assert any(one in page for one in told), f"vergence.{room}.{name} is not told, or has no docstring"


def test_pages_of_verbs_and_the_door(site: Path) -> None:
    verbs = (site / "api" / "verbs.html").read_text(encoding="utf-8")
    assert all(f'id="vergence.api.{name}"' in verbs for name in api.__all__ if name != "Overrides")
    door = (site / "api" / "door.html").read_text(encoding="utf-8")
    assert all(f".{name}" in door for name in ("load", "Predictor.stream", "Prediction.cloud", "register_method"))


def test_links_between_pages_stay_links(site: Path) -> None:
    assert 'href="../settings.html"' in (site / "notebooks" / "video-to-depth.html").read_text(encoding="utf-8")
    assert 'href="notebooks/video-to-depth.html"' in (site / "depth-from-video.html").read_text(encoding="utf-8")
    outside = (site / "architecture.html").read_text(encoding="utf-8")
    assert "<code>mixing/draws.py</code>" in outside
    assert 'href="../src' not in outside
