"""Evaluations of a run as tables of the report: numbers, a verdict in words, and what the numbers depend on."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vergence.data.labels import label_space
from vergence.errors import InputError
from vergence.report.segmentation_samples import swatches
from vergence.report.stored_run import is_number

_COLUMNS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")
_HIGHER_IS_BETTER = ("a1", "a2", "a3")


_CLASS_COLUMNS = {
    "miou": "mIoU %", "pixel_accuracy": "pixel accuracy %", "mean_accuracy": "mean accuracy %",
    "frequency_weighted_iou": "frequency-weighted IoU %",
}  # fmt: skip


class Text(NamedTuple):
    """A short text and the class of its look."""

    text: str
    kind: str = ""


class Row(NamedTuple):
    """One row of a table."""

    kind: str
    cells: list[Text]


class Table(NamedTuple):
    """One evaluation: a verdict in words, numbers, and the protocol they belong to."""

    columns: Sequence[str]
    rows: list[Row]
    stamp: str
    verdict: str = ""
    bars: Sequence["ClassBar"] = ()
    confusion: "Confusion | None" = None


class ClassBar(NamedTuple):
    """IoU of one class in percent; the input-free answer's beside it. None: nobody saw the class."""

    name: str
    colour: str
    trained: float | None
    input_free: float | None


class Cell(NamedTuple):
    """Share of a class's labelled pixels that are taken for a class, in percent; ``text`` is "" where that is 0."""

    text: str
    share: int
    right: bool


class ConfusionRow(NamedTuple):
    """What the pixels of one class are taken for."""

    name: str
    cells: list[Cell]


class Confusion(NamedTuple):
    """Rows are labels, columns predictions; classes without a labelled pixel have no row."""

    names: list[str]
    rows: list[ConfusionRow]


def tables(evaluation: Mapping[str, Any]) -> list[Table]:
    """The tables of an evaluation: segmentation, depth, odometry, each where it has one."""
    rows = [row for row in evaluation["rows"] if isinstance(row, Mapping)]
    classes = evaluation.get("segmentation")
    result_tables = [_segmentation_table(classes)] if isinstance(classes, Mapping) and classes.get("rows") else []
    result_tables += [_depth_table(evaluation, rows)] if rows else []
    odometry = evaluation.get("odometry")
    if isinstance(odometry, Mapping) and odometry.get("sequences"):
        result_tables.append(_odometry_table(odometry))
    return result_tables


def _depth_table(evaluation: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    best = {}
    for column in _COLUMNS:
        values = [row[column] for row in rows if is_number(row.get(column))]
        if len(values) > 1:
            best[column] = max(values) if column in _HIGHER_IS_BETTER else min(values)
    body = []
    for row in rows:
        cells = [Text(str(row.get("name", "")))]
        for column in _COLUMNS:
            winner = column in best and row.get(column) == best[column]
            cells.append(Text(number(row.get(column)), "best" if winner else ""))
        median, spread = row.get("scale_median"), row.get("scale_std")
        cells.append(Text(f"{number(median)} ± {spread:.0%}" if is_number(median) and is_number(spread) else "–"))
        cells += [Text(str(row.get("images", ""))), Text(str(row.get("note") or ""), "wide")]
        body.append(Row(str(row.get("name", "")), cells))
    stamp = str(evaluation.get("stamp") or f"{evaluation.get('protocol', '')} · data {evaluation.get('data', '')}")
    return Table(("", *_COLUMNS, "scale", "images", ""), body, f"Protocol: {stamp}", verdict(rows))


def _segmentation_table(part: Mapping[str, Any]) -> Table:
    body = []
    for row in part["rows"]:
        name = str(row.get("name", ""))
        cells = [Text(name)]
        for column in _CLASS_COLUMNS:
            values = [other[column] for other in part["rows"] if is_number(other.get(column))]
            best = len(values) > 1 and row.get(column) == max(values)
            cells.append(Text(percent(row.get(column)), "best" if best else ""))
        body.append(Row(name, [*cells, Text(str(row.get("note") or ""), "wide")]))
    columns = ("", *_CLASS_COLUMNS.values(), "")
    return Table(columns, body, f"Protocol: {part.get('stamp', '')}", class_verdict(part["rows"]), _class_bars(part),
                 _confusion(part))  # fmt: skip


def _class_bars(part: Mapping[str, Any]) -> list[ClassBar]:
    """One bar for each class, in the colours of the label space."""
    iou_of = {str(row.get("name")): row.get("class_iou") or {} for row in part["rows"]}
    trained, other = iou_of.get("trained", {}), iou_of.get("input_free", {})
    try:
        colours = {swatch.name: swatch.colour for swatch in swatches(label_space(str(part.get("label_space"))))}
    except InputError:
        colours = {}

    def share(value: Any) -> float | None:
        return 100 * value if is_number(value) else None

    return [
        ClassBar(name, colours.get(name, "#888888"), share(value), share(other.get(name)))
        for name, value in trained.items()
    ]


def _confusion(part: Mapping[str, Any]) -> Confusion | None:
    """That of the trained model; None where the evaluation is of an earlier version."""
    row: Mapping[str, Any] = next((row for row in part["rows"] if row.get("name") == "trained"), {})
    names, counts = list(row.get("class_iou") or {}), row.get("confusion")
    if not names or not isinstance(counts, list) or len(counts) != len(names):
        return None
    if not all(isinstance(line, list) and len(line) == len(names) and all(map(is_number, line)) for line in counts):
        return None
    seen = [index for index in range(len(names)) if sum(counts[index]) or any(line[index] for line in counts)]
    rows = []
    for index in seen:
        if total := sum(counts[index]):
            shares = [(other, round(100 * counts[index][other] / total)) for other in seen]
            cells = [Cell(str(share) if share else "", share, other == index) for other, share in shares]
            rows.append(ConfusionRow(names[index], cells))
    return Confusion([names[index] for index in seen], rows)


def class_verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """How the trained model stands against the others in mIoU, in one sentence."""
    miou_of = {str(row.get("name")): row["miou"] for row in rows if is_number(row.get("miou"))}
    trained = miou_of.pop("trained", None)
    if trained is None or not miou_of:
        return ""
    parts = []
    for name, miou in miou_of.items():
        change = round(100 * (trained - miou), 1)
        words = f"{abs(change):.1f} points {'above' if change > 0 else 'BELOW'}" if change else "as good as"
        parts.append(f"{words} {name} ({percent(miou)})")
    return f"mIoU of the trained model is {percent(trained)} %: {', '.join(parts)}."


def percent(value: Any) -> str:
    """A share from 0 to 1 in percent with one decimal; "–" for what is absent."""
    return f"{100 * value:.1f}" if is_number(value) else "–"


def _odometry_table(odometry: Mapping[str, Any]) -> Table:
    columns = ("ate_sfmlearner", "ate_sfmlearner_std", "t_err", "r_err", "ate_aligned", "frames")
    header = ("sequence", "ate_sfmlearner", "± std", "t_err %", "r_err °/100 m", "ate aligned", "frames")
    rows = [
        Row("", [Text(str(row.get("sequence", ""))), *(Text(number(row.get(column))) for column in columns)])
        for row in odometry["sequences"]
    ]
    return Table(header, rows, f"Odometry: {odometry.get('stamp', '')}")


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """How the trained model stands against the others in abs_rel, in one sentence."""
    errors = {row.get("name"): row.get("abs_rel") for row in rows if is_number(row.get("abs_rel"))}
    trained = errors.pop("trained", None)
    parts = []
    for name, error in errors.items():
        if trained is not None and error:
            change = round(100 * (1 - trained / error))
            words = f"{abs(change)} % {'below' if change > 0 else 'ABOVE'}" if change else "as good as"
            parts.append(f"{words} {name} ({number(error)})")
    if not parts:
        return ""
    return f"abs_rel of the trained model is {number(trained)}: {', '.join(parts)}."


def number(value: Any) -> str:
    """Three significant decimals of what tables show; "–" for what is absent."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not is_number(value):
        return "–"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
