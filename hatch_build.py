"""The README as a package index shows it, which knows nothing of files that lie beside it."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"!\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)\n*")
LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:|#)([^)\s]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Sets ``readme`` of the package."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        host = metadata.get("urls", {}).get("Repository")
        metadata["readme"] = {"content-type": "text/markdown", "text": index_readme(text, host, metadata["version"])}


def index_readme(text: str, host: str | None, version: str) -> str:
    """Relative links lead to this version's files at the repository's host.

    Without a host they are plain text, and pictures are left out.
    """
    if host is None:
        return LINK.sub(r"\1", PICTURE.sub("", text))
    base = host.rstrip("/")
    text = PICTURE.sub(rf"![\1]({base}/raw/v{version}/\2)\n\n", text)
    return LINK.sub(rf"[\1]({base}/blob/v{version}/\2)", text)
