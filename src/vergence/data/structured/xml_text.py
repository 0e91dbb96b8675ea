"""XML without document types: no entities, nothing from elsewhere."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from vergence.data.structured.text import read_text
from vergence.errors import InputError

DEPTH = 64
_CHUNK = 1 << 16


def read_xml(path: Path | str, kind: str = "xml", remedy: str = "correct it") -> ElementTree.Element:
    """The root of an XML file.

    Raises:
        InputError: no XML (with line and column), nested too deep, or with a document type, which may declare entities
            that grow without bounds or are files.
    """
    return parse_xml(read_text(path, kind, remedy), path, remedy)


def parse_xml(text: str, origin: Path | str, remedy: str = "correct it") -> ElementTree.Element:
    """As :func:`read_xml`, of a text that was read."""
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise InputError(f"{origin} declares a document type or entities, which are not read; {remedy}.")
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    root: ElementTree.Element | None = None
    depth = 0
    try:
        for start in range(0, len(text), _CHUNK):
            parser.feed(text[start : start + _CHUNK])
            for event, element in parser.read_events():
                root = element if root is None else root
                depth += 1 if event == "start" else -1
                if depth > DEPTH:
                    raise InputError(f"{origin} is nested deeper than {DEPTH} levels; {remedy}.")
        parser.close()
        for _ in parser.read_events():  # raises what closing found
            pass
    except ElementTree.ParseError as error:
        raise InputError(f"{origin} is no XML ({error}); {remedy}.") from error
    if root is None:
        raise InputError(f"{origin} is empty, expected XML; {remedy}.")
    return root
