"""docs/claims.md and its picture, from the state of the runs: no figure on it is typed by hand."""

import html
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.claim import (
    GATE_SEEDS,
    HEAD_ROOM,
    Claim,
    Comparison,
    Interval,
    Row,
    gains,
    head_room,
    interval,
    judged,
    verdict,
)
from benchmarks.claims.state import rows_of
from vergence.data.atomic import write_text

METRES = ("rmse",)
"""Scores that are no shares."""
DOCS = Path(__file__).parents[2] / "docs"
INTRO = f"""# Claims

What the methods are said to bring, put as sentences that runs can refute. `make claims` runs what is missing and
writes this page from the state of every run (`benchmarks/claims/results`); it can be stopped at any time and goes on
from there.

Variants are paired over seeds: a seed draws the labelled frames and all that is random in training. A difference is
the mean over seeds with its 95 % interval (Student's t). **Confirmed**: all planned seeds are there and the whole
interval lies on the side of the claim, for each of the comparisons that decide. **Refuted**: the whole interval of
one of these lies on the other side. **Undecided**: anything else. A set-up in which all labels are less than {
    100 * HEAD_ROOM:.0f} points of mIoU better than few (over {
    GATE_SEEDS
} seeds, or as many as there are) can show nothing and
is **thrown out**. Seconds are those of the processor, one thread.
"""


def write_page(claims: Sequence[Claim]) -> Path:
    """Write page and picture; returns the page."""
    state = [(claim, rows_of(claim)) for claim in claims]
    write_text(DOCS / "images" / "claims.svg", picture(state))
    parts = [INTRO, overview(state)]
    if any(rows for _, rows in state):
        parts.append("![Differences of all comparisons with their 95 % intervals](images/claims.svg)\n")
    parts += [section(claim, rows) for claim, rows in state]
    return write_text(DOCS / "claims.md", "\n".join(parts))


def overview(state: Sequence[tuple[Claim, Sequence[Row]]]) -> str:
    """One line a claim."""
    lines = ["| claim | verdict | difference in points (95 %) | seeds | core-hours |", "|---|---|---|---|---|"]
    for claim, rows in state:
        found = [interval(gains(rows, one)) for one in claim.decides]
        shown = "<br>".join(
            f"{one.better} − {one.worse}: {in_points(value)}"
            for one, value in zip(claim.decides, found, strict=True)
            if value.seeds
        )
        seeds = min(value.seeds for value in found)
        lines.append(
            f"| [{claim.says}](#{claim.name}) | {verdict(claim, rows)} | {shown} | {seeds} of {claim.seeds} | "
            f"{cost_of(claim, rows)} |"
        )
    return "\n".join(lines) + "\n"


def in_points(found: Interval) -> str:
    """A difference of shares, or of abs_rel, in hundredths."""
    if found.seeds < 2:
        return f"{100 * found.mean:+.1f} (one seed)" if found.seeds else ""
    return f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def cost_of(claim: Claim, rows: Sequence[Row]) -> str:
    """Hours that were measured, and those still to go."""
    done = {(row["seed"], row["variant"]) for row in rows}
    left = [job for job in claim.jobs() if (str(job[0]), job[1]) not in done]
    spent = sum(float(row["seconds"]) for row in rows)
    each = spent / len(rows) if rows else claim.seconds
    ahead = each * len(left) + (0 if rows else claim.preparation)
    if not left or verdict(claim, rows) == "thrown out":
        return f"{spent / 3600:.2f}"
    return f"{spent / 3600:.2f}, about {ahead / 3600:.1f} to go"


def section(claim: Claim, rows: Sequence[Row]) -> str:
    """Set-up, comparisons and means of one claim."""
    parts = [
        f"## {claim.name}\n",
        f"*{claim.says}* – **{verdict(claim, rows)}**.\n",
        " ".join(claim.setup.split()) + "\n",
    ]
    room = head_room(claim, rows)
    if room is not None:
        count = len(gains(rows, Comparison(claim.full, claim.few, claim.gate_metric)))
        parts.append(f"Head room ({claim.full} − {claim.few}): {100 * room:.1f} points over {count} seeds.\n")
    if not rows:
        hours = (claim.seconds * len(claim.jobs()) + claim.preparation) / 3600
        return "\n".join([*parts, f"Not run. {len(claim.jobs())} runs, about {hours:.1f} core-hours.\n"])
    each = statistics.median(float(row["seconds"]) for row in rows)
    parts.append(f"{len(rows)} of {len(claim.jobs())} runs so far, {each:.0f} s each.\n")
    return "\n".join([*parts, compared(claim, rows), means(claim, rows)])


def compared(claim: Claim, rows: Sequence[Row]) -> str:
    """The comparisons; those that decide are bold."""
    lines = ["| comparison | in | difference in points (95 %) | better on | verdict |", "|---|---|---|---|---|"]
    for one in claim.comparisons:
        found = interval(gains(rows, one))
        name = f"**{said_of(one)}**" if one in claim.decides else said_of(one)
        wins = sum(value > 0 for value in found.values)
        metric = f"{one.metric} (lower is better; positive = lower)" if one.lower else one.metric
        count = f"{wins} of {found.seeds} seeds" if found.seeds else ""
        lines.append(f"| {name} | {metric} | {in_points(found)} | {count} | {judged(found, claim.seeds, one.margin)} |")
    return "\n".join(lines) + "\n"


def said_of(one: Comparison) -> str:
    """A comparison in words."""
    return f"{one.better} {'not worse than' if one.margin else 'over'} {one.worse}"


def means(claim: Claim, rows: Sequence[Row]) -> str:
    """Means over seeds of every variant, with the IoU of each class."""
    variants = list(dict.fromkeys([*claim.variants, *(row["variant"] for row in rows)]))
    fixed = {"variant", "seed", "seconds", "day", "device", "machine", "vergence", "commit"}
    columns = [key for key in rows[0] if key not in fixed and any(row[key] not in ("", "nan") for row in rows)]
    named = [f"{column} (m)" if column in METRES else column for column in columns]
    lines = [f"| in % | {' | '.join(named)} | seeds |", "|---" * (len(columns) + 2) + "|"]
    for variant in variants:
        own = [row for row in rows if row["variant"] == variant]
        cells = []
        for column in columns:
            values = [float(row[column]) for row in own if row[column] not in ("", "nan")]
            scale = 1 if column in METRES else 100
            cells.append(f"{scale * statistics.fmean(values):.1f}" if values else "")
        if own:
            lines.append(f"| {variant} | {' | '.join(cells)} | {len(own)} |")
    return "<details><summary>Means, with each class</summary>\n\n" + "\n".join(lines) + "\n\n</details>\n"


def picture(state: Sequence[tuple[Claim, Sequence[Row]]], line: int = 26) -> str:
    """Intervals of all comparisons that have been run, as SVG; zero is where nothing is gained."""
    drawn = [
        (claim, one, interval(gains(rows, one)))
        for claim, rows in state
        for one in claim.comparisons
        if len(gains(rows, one)) > 1
    ]
    farthest = max((abs(value) for *_, found in drawn for value in (found.low, found.high)), default=0.1)
    names = [f"{claim.name}: {said_of(one)}, {one.metric}" for claim, one, _ in drawn]
    left = max([430, *(24 + 6 * len(name) for name in names)])  # a letter is 6 wide on average, or less
    reach, right = min(farthest, 0.3), left + 410
    width = right + 20
    middle = (left + right) / 2

    def x(value: float) -> float:
        return middle + max(-reach, min(reach, value)) / reach * (right - left) / 2

    height = line * (len(drawn) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<line x1="{middle}" x2="{middle}" y1="8" y2="{height - line}" stroke="#888"/>',
    ]
    for number, (claim, one, found) in enumerate(drawn):
        y = line * (number + 0.8)
        colour = {"confirmed": "#1a7f37", "refuted": "#b42318"}.get(judged(found, claim.seeds, one.margin), "#57606a")
        parts += [
            f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{html.escape(names[number])}</text>',
            f'<line x1="{x(found.low):.1f}" x2="{x(found.high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            'stroke-width="2"/>',
            f'<circle cx="{x(found.mean):.1f}" cy="{y}" r="4" fill="{colour}"/>',
        ]
    for share in (-reach, 0, reach):
        parts.append(f'<text x="{x(share)}" y="{height - 8}" text-anchor="middle">{100 * share:+.0f}</text>')
    label = "points better; green confirmed, red refuted, grey undecided"
    parts.append(f'<text x="{left - 30}" y="{height - 8}" text-anchor="end">{label}</text></svg>')
    return "\n".join(parts)
