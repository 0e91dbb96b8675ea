"""The report of a run: one HTML page with everything in it, no network needed, at any time of the run's life."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import vergence
from vergence.data.atomic import write_text
from vergence.errors import InputError
from vergence.report.curves import charts
from vergence.report.run_folder import (
    Record,
    last_step,
    logged_warnings,
    read_evaluations,
    read_recipe,
    read_records,
    recipe_warnings,
    setting,
    source_name,
)
from vergence.report.samples import Samples, collect_samples

_COLUMNS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")
_HIGHER_IS_BETTER = ("a1", "a2", "a3")


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


def write_report(run: Path | str, out: Path | str | None = None, data: Any = None, images: int = 4) -> Path:
    """Write the report of a run folder: what was run, curves, evaluations, pictures.

    It works while the run is training, and without evaluation, weights or data at hand: the page says what is missing.

    Args:
        run: run folder, or a loaded run.
        out: HTML file; default ``report.html`` in the run folder.
        data: manifest, folder or video to take pictures from; default the run's evaluation data.
        images: how many frames to show; 0 for none.

    Raises:
        InputError: the folder is no run, or the page cannot be written.
    """
    folder = Path(getattr(run, "path", run))
    if not folder.is_dir() or not any((folder / name).exists() for name in ("recipe.yaml", "metrics.jsonl")):
        raise InputError(f"{folder} is no run folder (it has neither recipe.yaml nor metrics.jsonl); give one made by "
                         "`vergence train`.")  # fmt: skip
    samples = collect_samples(run, data, images)
    page = render(folder, samples)
    return write_text(Path(out) if out is not None else folder / "report.html", page)


def render(folder: Path, samples: Samples) -> str:
    """The page as text; ``samples`` is what :func:`vergence.report.samples.collect_samples` gives."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    records = read_records(folder / "metrics.jsonl")
    config = read_recipe(folder)
    evaluations = read_evaluations(folder)
    environment = Environment(
        loader=PackageLoader("vergence", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html.j2").render(
        title=f"{config.get('recipe') or config.get('method') or 'A run'} · {folder.resolve().name}",
        subtitle=_progress(config, records, folder),
        badges=_badges(config, records, folder, samples),
        warnings=[*recipe_warnings(config), *logged_warnings(records), *samples.warnings],
        facts=facts(config, records, samples.digest),
        evaluations=[table for evaluation in evaluations for table in tables(evaluation)],
        no_evaluation="Not evaluated yet: no file in the run's evaluation folder. Run “vergence evaluate” on data with "
        "measured depth.",
        charts=charts(records),
        panels=samples.panels,
        pictures_note=samples.note,
        no_pictures=samples.missing or "No pictures were asked for.",
        strip=samples.strip,
        strip_note=samples.strip_note,
        footer=f"Made by vergence {vergence.__version__} on {time.strftime('%Y-%m-%d %H:%M')}.",
    )


def _progress(config: Mapping[str, Any], records: Sequence[Record], folder: Path) -> str:
    step, steps = last_step(folder, records), setting(config, "train", "steps")
    if not steps:
        return f"{step} steps"
    done = "finished" if step >= steps else "unfinished"
    return f"{done}: {step} of {steps} steps"


def _badges(config: Mapping[str, Any], records: Sequence[Record], folder: Path, samples: Samples) -> list[Text]:
    text = _progress(config, records, folder)
    return [
        Text(text, "good" if text.startswith("finished") else "warn"),
        Text(samples.scale, "good" if samples.scale.startswith("depth in metres") else "warn"),
    ]


def facts(config: Mapping[str, Any], records: Sequence[Record], digest: str = "") -> list[tuple[str, str]]:
    """What was run, as name and value; only what is known."""
    start: dict[str, Any] = {}
    for record in records:
        if record.get("kind") == "event":
            start.update({key: value for key, value in record.items() if isinstance(value, str | int | float)})
    method = config.get("method") or ""
    net, pose = (setting(config, str(method), part) or {} for part in ("network", "pose"))
    options = setting(config, "frames", "options") or {}
    precision = setting(config, "train", "precision")
    size = f"{options['width']} x {options['height']}" if options.get("width") else None
    listed = {
        "Recipe": config.get("recipe"),
        "Method": method,
        "Training data": setting(config, "frames", "source"),
        "Training data digest": start.get("data_digest") or start.get("data") or digest,
        "Frames seen at": size,
        "Learns from": _sources(options.get("offsets")),
        "Depth network": _joined(net.get("encoder"), net.get("decoder"), _named("weights", net.get("weights"))),
        "Pose network": _joined(pose.get("encoder"), _named("weights", pose.get("weights"))),
        "Batch size": setting(config, "frames", "batch_size"),
        "Steps": setting(config, "train", "steps"),
        "Optimiser": _joined(*(setting(config, "optim", key) for key in ("name", "lr", "schedule"))),
        "Precision": {"no": "fp32", False: "fp32"}.get(precision, precision),
        "Seed": setting(config, "train", "seed"),
        "Device": start.get("device") or setting(config, "train", "device"),
        "Vergence": start.get("version") or start.get("vergence"),
    }  # fmt: skip
    return [(name, _plain(value)) for name, value in listed.items() if value not in (None, "", [])]


def _sources(offsets: Any) -> str:
    """Offsets in words."""
    if not isinstance(offsets, list | tuple):
        return ""
    return ", ".join(source_name(offset) for offset in offsets)


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part not in (None, ""))


def _named(name: str, value: Any) -> str:
    return "" if value is None else f"{name} {value}"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def tables(evaluation: Mapping[str, Any]) -> list[Table]:
    """The depth table of an evaluation and, where it has one, the odometry table."""
    rows = [row for row in evaluation["rows"] if isinstance(row, Mapping)]
    found = [_depth_table(evaluation, rows)] if rows else []
    odometry = evaluation.get("odometry")
    if isinstance(odometry, Mapping) and odometry.get("sequences"):
        found.append(_odometry_table(odometry))
    return found


def _depth_table(evaluation: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    best = {}
    for column in _COLUMNS:
        values = [row[column] for row in rows if _is_number(row.get(column))]
        if len(values) > 1:
            best[column] = max(values) if column in _HIGHER_IS_BETTER else min(values)
    body = []
    for row in rows:
        cells = [Text(str(row.get("name", "")))]
        for column in _COLUMNS:
            winner = column in best and row.get(column) == best[column]
            cells.append(Text(number(row.get(column)), "best" if winner else ""))
        median, spread = row.get("scale_median"), row.get("scale_std")
        cells.append(Text(f"{number(median)} ± {spread:.0%}" if _is_number(median) and _is_number(spread) else "–"))
        cells += [Text(str(row.get("images", ""))), Text(str(row.get("note") or ""), "wide")]
        body.append(Row(str(row.get("name", "")), cells))
    stamp = str(evaluation.get("stamp") or f"{evaluation.get('protocol', '')} · data {evaluation.get('data', '')}")
    return Table(("", *_COLUMNS, "scale", "images", ""), body, f"Protocol: {stamp}", verdict(rows))


def _odometry_table(odometry: Mapping[str, Any]) -> Table:
    columns = ("ate_sfmlearner", "ate_sfmlearner_std", "t_err", "r_err", "ate_aligned", "frames")
    shown = ("sequence", "ate_sfmlearner", "± std", "t_err %", "r_err °/100 m", "ate aligned", "frames")
    rows = [
        Row("", [Text(str(row.get("sequence", ""))), *(Text(number(row.get(column))) for column in columns)])
        for row in odometry["sequences"]
    ]
    return Table(shown, rows, f"Odometry: {odometry.get('stamp', '')}")


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """How the trained model stands against the others in abs_rel, in one sentence."""
    errors = {row.get("name"): row.get("abs_rel") for row in rows if _is_number(row.get("abs_rel"))}
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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any) -> str:
    """Three significant decimals of what tables show; "–" for what is absent."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not _is_number(value):
        return "–"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
