"""Which labelled frames a run was trained with: what its log says of them, and reading it back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Labelled:
    """Which labelled frames a run was trained with."""

    digest: str
    words: str
    """The same for people, with the digest in it."""


def labelled_event(digest: str, words: str) -> dict[str, str]:
    """The row of a log that says which labelled frames count; :func:`labelled_of` reads it back."""
    return {"event": "labelled", "digest": digest, "is": words}


def labelled_of(rows: Iterable[Mapping[str, Any]]) -> Labelled | None:
    """What the rows of a log say of labelled frames, the last of them counting; None where they do not."""
    newest = None
    for row in rows:
        if row.get("event") == "labelled" and "digest" in row:
            digest = str(row["digest"])
            description = str(row.get("describe") or row.get("is") or "labels")
            newest = Labelled(digest, description if digest in description else f"{description} ({digest})")
    return newest
