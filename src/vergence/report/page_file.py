"""How every page is written: what a terminal or an editor would obey is shown, not sent, whatever file it came from."""

from pathlib import Path

from vergence.data.atomic import check_place, write_text
from vergence.errors import printable


def check_page(path: Path) -> None:
    """InputError where no page can be written: to be called before it is made."""
    check_place(path, (".html", ".htm"))


def save_page(path: Path, page: str) -> Path:
    """Write a page of HTML, whole or not at all; control characters in it are shown as words such as ``\\x1b``."""
    return write_text(path, printable(page))
