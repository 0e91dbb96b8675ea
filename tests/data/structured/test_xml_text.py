"""XML that grows without bounds, declares entities or is broken is refused."""

import pytest

from tests.data.structured.refusals import refused
from vergence.data.structured.xml_text import parse_xml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<a>" * 1_000_000, "nested deeper than 64 levels"),
        ("<a><b>", "is no XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "declares a document type"),
        ("", "is no XML"),
    ],
)
def test_bad_xml(text: str, said: str) -> None:
    assert said in refused(lambda: parse_xml(text, "x.xml"))
