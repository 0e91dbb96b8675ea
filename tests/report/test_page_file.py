"""What files say is shown on pages as text, not as something that a terminal or an editor obeys."""

from pathlib import Path

import pytest

from vergence.report import demo_page, flywheel_page, page, propagation_page, selection_page
from vergence.report.page_file import save_page


def test_control_characters_are_shown(tmp_path: Path) -> None:
    save_page(tmp_path / "a.html", "<p>a\x1b[31m\ud800\u202e</p>\n")
    assert (tmp_path / "a.html").read_text() == "<p>a\\x1b[31m\\ud800\\u202e</p>\n"


@pytest.mark.parametrize("module", [demo_page, flywheel_page, page, propagation_page, selection_page])
def test_every_page_is_written_so(module: object) -> None:
    assert module.save_page is save_page  # type: ignore[attr-defined]
    assert not hasattr(module, "write_text")
