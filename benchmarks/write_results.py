"""Put the measured tables into docs/results.md.

    python -m benchmarks.write_results

The page is prose with pairs of markers, ``<!-- table NAME -->`` and ``<!-- end -->``; what stands between them is
replaced by the table of ``benchmarks/*/results/NAME.csv``, so that no figure on the page is typed by hand.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"


def table(rows: Sequence[dict[str, str]]) -> str:
    """A Markdown table of the columns that vary, and one line of those that do not."""
    constant = {key: rows[0][key] for key in rows[0] if len({row[key] for row in rows}) == 1}
    shown = [key for key in rows[0] if key not in constant]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    lines += ["| " + " | ".join(row[key] for key in shown) + " |" for row in rows]
    same = " · ".join(f"{key} {value}" for key, value in constant.items() if value)
    return "\n".join(lines) + (f"\n\nAll rows: {same}." if same else "")


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"<!-- table (\w+) -->", text):
        (path,) = ROOT.glob(f"benchmarks/*/results/{name}.csv")
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        pattern = rf"(<!-- table {name} -->\n).*?(<!-- end -->)"
        replacement = table(rows).replace("\\", r"\\")
        text = re.sub(pattern, rf"\g<1>\n{replacement}\n\n\g<2>", text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
