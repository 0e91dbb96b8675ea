"""Put the measured tables into docs/results.md.

    python -m benchmarks.write_results

The page is prose with pairs of markers, ``<!-- table NAME -->`` and ``<!-- end -->``; what stands between them is
replaced by the table of ``benchmarks/*/results/NAME.csv``, so that no figure on the page is typed by hand.
``<!-- paired NAME STUDY -->`` gives the rows of one study as means over seeds, with differences to its first variant.
"""

import csv
import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"
EXTRA = ("auroc_", "pseudo_label_error", "sky_near", "abs_rel_")
SETTINGS = ("batch", "threads", "steps", "seed", "classes", "rounds", "features", "vergence")
NUMBER = r"-?[\d.]+(e-?\d+)?"
SEGMENTATION, DEPTH = ("miou", "pixel_accuracy"), ("abs_rel", "rmse_log", "a1", "border_recall")


def table(rows: Sequence[dict[str, str]]) -> str:
    """A Markdown table of the columns that vary, and one line of those that do not."""
    constant = {key: rows[0][key] for key in rows[0] if len({row[key] for row in rows}) == 1}
    if len(rows) == 1:  # all columns would be constant: what was measured is shown
        constant = {key: value for key, value in constant.items() if key in SETTINGS or not re.fullmatch(NUMBER, value)}
    shown = [key for key in rows[0] if key not in constant]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    lines += ["| " + " | ".join(row[key] for key in shown) + " |" for row in rows]
    same = " · ".join(f"{key} {value}" for key, value in constant.items() if value)
    return "\n".join(lines) + (f"\n\nAll rows: {same}." if same else "")


def paired(rows: Sequence[dict[str, str]]) -> str:
    """Means and deviations over seeds, and the paired difference of each variant to the first of its group.

    Where rows have areas under curves ("auroc_...") or errors, their means follow, without differences.
    """
    metrics = [name for name in (DEPTH if "abs_rel" in rows[0] else SEGMENTATION) if all(row[name] for row in rows)]
    groups: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for row in sorted(rows, key=lambda row: math.inf if row.get("labels", "all") == "all" else int(row["labels"])):
        groups.setdefault((row.get("labels", ""), row["variant"]), {})[row["seed"]] = row
    counted = any(labels for labels, _ in groups)
    extra = [name for name in rows[0] if name.startswith(EXTRA) and any(row[name] for row in rows)]
    names = [
        *(["labels"] if counted else []),
        "variant",
        *(f"{name} | difference" for name in metrics),
        *extra,
        "seeds",
    ]
    lines = ["| " + " | ".join(names) + " |", "|---" * (len(names) + len(metrics)) + "|"]
    for (labels, variant), seeds in groups.items():
        first = next(group for (count, _), group in groups.items() if count == labels)
        cells = [*([labels] if counted else []), variant]
        for metric in metrics:
            differences = [
                float(row[metric]) - float(first[seed][metric]) for seed, row in seeds.items() if seed in first
            ]
            cells.append(_spread([float(row[metric]) for row in seeds.values()], ""))
            cells.append("" if seeds is first else _spread(differences, "+"))
        cells += [_spread([float(row[name]) for row in seeds.values() if row[name]], "") for name in extra]
        lines.append("| " + " | ".join([*cells, str(len(seeds))]) + " |")
    protocol = rows[0]["protocol"].split(" · step")[0]
    return "\n".join([*lines, "", f"{rows[0]['steps']} steps each; {protocol}; {rows[0]['device']}."])


def _spread(values: Sequence[float], sign: str) -> str:
    """Mean and, of several, standard deviation, in per cent."""
    text = f"{100 * statistics.mean(values):{sign}.1f}" if values else ""
    return text + (f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else "")


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for kind, name, study in re.findall(r"<!-- (table|paired) (\w+)(?: ([\w+]+))? -->", text):
        (path,) = ROOT.glob(f"benchmarks/*/results/{name}.csv")
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        marker = f"<!-- {kind} {name}{' ' + study if study else ''} -->"
        made = (
            table(rows) if kind == "table" else paired([row for row in rows if row["study"].replace(" ", "_") == study])
        )
        replacement = made.replace("\\", r"\\")
        text = re.sub(
            rf"({re.escape(marker)}\n).*?(<!-- end -->)", rf"\g<1>\n{replacement}\n\n\g<2>", text, flags=re.DOTALL
        )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
