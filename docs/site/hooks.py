"""What the site does to pages: links that leave ``docs/``, notebooks as pages, roles in docstrings as code."""

import json
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)\s]+)\)")
ROLE = re.compile(r":\w+:`~?([^`]+)`")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Links to files of the repository lead to its host, or are their text while ``repo_url`` is not set."""
    markdown = markdown.replace(".ipynb)", ".md)")
    if "/" in page.file.src_uri:  # its ../ is still below docs/
        return markdown
    target = f"[\\1]({config.repo_url.rstrip('/')}/blob/HEAD/\\2)" if config.repo_url else r"\1"
    return OUTSIDE.sub(target, markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Every notebook is a page of its cells."""
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            files.remove(file)
            page = f"{file.src_uri.removesuffix('.ipynb')}.md"
            text = Path(str(file.abs_src_path)).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=notebook_page(text)))
    return files


def notebook_page(text: str) -> str:
    """Markdown of a notebook: its texts as they are, its code in blocks."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts) + "\n"


class PlainRoles(griffe.Extension):
    """``:func:`vergence.api.train``` in a docstring becomes code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring and ROLE.search(obj.docstring.value):
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
