"""How every page is written: what a terminal or an editor would obey is shown, not sent, whatever file it came from."""

from pathlib import Path

from vergence.data.atomic import write_text
from vergence.errors import printable


def save_page(path: Path, page: str) -> Path:
    """Write a page of HTML, whole or not at all; control characters in it are shown as words such as ``\\x1b``."""
    return write_text(path, printable(page))
