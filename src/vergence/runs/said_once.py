"""What was said once need not be repeated."""

import contextlib
import logging
from collections.abc import Iterator

_log = logging.getLogger("vergence")


@contextlib.contextmanager
def said_once() -> Iterator[None]:
    """Stages read the same data and networks: what one of them has said of these, the others need not repeat."""
    said: set[str] = set()

    def fresh(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        known = message in said
        said.add(message)
        return not known

    _log.addFilter(fresh)
    try:
        yield
    finally:
        _log.removeFilter(fresh)
