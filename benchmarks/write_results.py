"""Put the measured tables into docs/results.md.

    python -m benchmarks.write_results

The page is prose with pairs of markers, ``<!-- table NAME -->`` and ``<!-- end -->``; what stands between them is
replaced by the table of ``benchmarks/*/results/NAME.csv``, so that no figure on the page is typed by hand;
``<!-- table NAME COLUMN=VALUE -->`` takes some of its rows. ``<!-- differences NAME STUDY STUDY ... -->`` gives the
variants of studies as paired differences to the first of each, with 95 % intervals over seeds.
"""

import csv
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.claim import interval

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"
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


def differences(rows: Sequence[dict[str, str]], studies: Sequence[str]) -> str:
    """A row for each variant of the studies: its differences to the first variant in points, paired over seeds."""
    metrics = [name for name in (DEPTH if "abs_rel" in rows[0] else SEGMENTATION) if all(row[name] for row in rows)]
    counted = any(row.get("labels") for row in rows)
    names = ["study", *(["labels"] if counted else []), "difference", *metrics, "seeds", "steps"]
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for study in studies:
        chosen = [row for row in rows if row["study"].replace(" ", "_") == study]
        counts = sorted({row.get("labels", "") for row in chosen}, key=lambda count: (count == "all", count.zfill(4)))
        for count in counts:
            lines += _against_first([row for row in chosen if row.get("labels", "") == count], metrics, counted)
    protocols = dict.fromkeys(row["protocol"].split(" · step")[0] for row in rows)
    return "\n".join([*lines, "", f"{'; '.join(protocols)}; {rows[0]['device']}."])


def _against_first(rows: Sequence[dict[str, str]], metrics: Sequence[str], counted: bool) -> list[str]:
    """Lines of all variants but the first, which they are compared with."""
    seeds = {
        variant: {r["seed"]: r for r in rows if r["variant"] == variant} for variant in (r["variant"] for r in rows)
    }
    first, *others = seeds
    lines = []
    for variant in others:
        shared = [seed for seed in seeds[variant] if seed in seeds[first]]
        cells = [rows[0]["study"].replace("_", " "), *([rows[0]["labels"]] if counted else []), f"{variant} − {first}"]
        for metric in metrics:
            cells.append(
                _difference([float(seeds[variant][s][metric]) - float(seeds[first][s][metric]) for s in shared])
            )
        lines.append("| " + " | ".join([*cells, str(len(shared)), rows[0]["steps"]]) + " |")
    return lines


def _difference(values: Sequence[float]) -> str:
    """Mean in points and its interval; bold where that does not hold zero."""
    mean = 100 * statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:+.1f}"
    found = interval([100 * value for value in values])
    text = f"{mean:+.1f} ({found.low:+.1f} to {found.high:+.1f})"
    return f"**{text}**" if found.low > 0 or found.high < 0 else text


def made(kind: str, name: str, words: Sequence[str]) -> str:
    """What stands between a pair of markers."""
    (path,) = ROOT.glob(f"benchmarks/*/results/{name}.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if kind == "differences":
        return differences(rows, words)
    wanted = dict(word.split("=") for word in words)
    return table([row for row in rows if all(row[key] == value for key, value in wanted.items())])


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")

    def replaced(match: re.Match[str]) -> str:
        head, kind, name, words = match[1], match[2], match[3], match[4].split()
        return f"{head}\n\n{made(kind, name, words)}\n\n<!-- end -->"

    marker = r"(<!-- (table|differences) (\w+)((?: [\w+=]+)*) -->)\n.*?<!-- end -->"
    PAGE.write_text(re.sub(marker, replaced, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
