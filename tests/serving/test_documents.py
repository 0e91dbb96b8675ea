"""The page of the interface."""

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from vergence.serving.documents import document


def test_every_route_is_on_it_and_nothing_is_loaded_from_elsewhere() -> None:
    operation = {
        "summary": "Look at <this>.", "parameters": [{"name": "map", "description": "which one"}],
        "requestBody": {"description": "A picture.", "content": {"image/*": {}}},
        "responses": {"200": {"description": "fine", "content": {"image/png": {}}}},
    }  # fmt: skip
    html = document({"info": {"title": "V", "version": "1"}, "paths": {"/predict": {"post": operation}}}, "http://here")
    for part in ("POST /predict", "Look at &lt;this&gt;.", "<code>map</code></td><td>which one", "A picture. image/*.",
                 "fine (image/png)", "--data-binary @frame.jpg"):  # fmt: skip
        assert part in html, part
    assert "src=" not in html
    assert "<link" not in html
