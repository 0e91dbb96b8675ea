"""What a scan found, as a table and as values."""

import json

from rich.console import Console

from tests.data.scan.films import film, only, travelling
from vergence.data.scan import scan


def test_report_as_table_and_as_values(tmp_path):
    calls = []
    report = scan(film(tmp_path / "drive", travelling(12)), progress=lambda *args: calls.append(args))
    assert calls == [(0, 1, "drive")]
    values = json.loads(json.dumps(report.to_dict()))
    assert values["sequences"][0]["verdict"] == only(report).verdict
    assert {"kind", "level", "text"} == set(values["sequences"][0]["findings"][0])
    console = Console(record=True, width=160, file=open("/dev/null", "w"))  # noqa: SIM115
    report.print(console)
    text = console.export_text()
    console.file.close()
    assert "drive" in text
    assert "192x96" in text
    assert report.summary() in text
