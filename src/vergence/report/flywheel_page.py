"""The page of a flywheel: both tasks over the rounds on the same held-back frames, in numbers, curves and pictures."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import vergence
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.flywheel.folder import JUDGED, Round, score_rows
from vergence.flywheel.rounds import Overrides, resume_flywheel, start_flywheel
from vergence.flywheel.settings import FlywheelConfig, load_flywheel
from vergence.flywheel.trainings import kept_before
from vergence.report.curves import Chart, Curve, chart
from vergence.report.evaluation_tables import Text, number, percent
from vergence.report.flywheel_pictures import chosen_pictures, frame_panels
from vergence.report.page import write_report
from vergence.report.page_file import check_page, save_page
from vergence.report.selection_page import write_selection_page
from vergence.runs.folder import RunFolder

_DEPTH = {"abs_rel": "abs_rel", "rmse": "rmse", "a1": "a1"}
_CLASSES = {"miou": "mIoU %", "pixel_accuracy": "pixels %"}
_CHARTS = (
    ("Segmentation (higher is better)", "segmentation", ("miou", "mean_accuracy", "pixel_accuracy")),
    ("Depth: errors (lower is better)", "depth", ("abs_rel", "rmse_log")),
    ("Depth: pixels within 1.25ʲ (higher is better)", "depth", ("a1", "a2", "a3")),
    ("Depth: distance of object borders, pixels (lower is better)", "depth", ("border_distance",)),
    ("Depth: object borders found within 3 pixels (higher is better)", "depth", ("border_recall",)),
)


def start_flywheel_with_pages(recipe: str | Path, out: Path, data: str | Path | None, overrides: Overrides) -> Path:
    """:func:`vergence.flywheel.rounds.start_flywheel`, with a page of each run, each selection and the whole."""
    return start_flywheel(recipe, out, data, overrides, write_page)


def resume_flywheel_with_pages(out: Path, overrides: Overrides) -> Path:
    """:func:`vergence.flywheel.rounds.resume_flywheel`, likewise."""
    return resume_flywheel(out, overrides, write_page)


def write_page(kind: str, folder: Path) -> None:
    """The page of a run folder, of a selection or of a flywheel."""
    writers: dict[str, Callable[[Path], Path]] = {
        "run": write_report,
        "selection": write_selection_page,
        "flywheel": write_flywheel_page,
    }
    writers[kind](folder)


def write_flywheel_page(run_folder: Path, out: Path | str | None = None, images: int = 4) -> Path:
    """Write the page of what a flywheel has done so far; its links lead to the pages of its rounds.

    Args:
        run_folder: its folder.
        out: HTML file; default that of the folder.
        images: held-back frames to show.

    Raises:
        InputError: the folder is no flywheel's, frames are gone, or the page cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page_file = Path(out) if out is not None else RunFolder(run_folder).report
    check_page(page_file)
    config = load_flywheel(RunFolder(run_folder).recipe).flywheel
    rounds = [one for one in (Round(run_folder, number) for number in range(config.rounds)) if one.begun("depth")]
    if not rounds or not (run_folder / "data.parquet").is_file():
        raise InputError(f"{run_folder} has no round yet; go on with vergence train --resume {run_folder}.")
    rows, data = score_rows(rounds), Manifest.read(run_folder / "data.parquet")
    panels, legend, note = frame_panels(rounds, config, data, images)
    environment = Environment(
        loader=PackageLoader("vergence", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("flywheel.html.j2").render(
        title=f"Flywheel · {run_folder.resolve().name}",
        badges=_badges(config, rounds),
        facts=_facts(config, rounds, data),
        verdicts=[*verdicts(rows), *refusals(rounds)],
        columns=("round", "kept", "labels", "depth", *_DEPTH.values(), *_CLASSES.values(), *_branch_columns(rows)),
        table=[_line(one, rows) for one in rounds],
        judged=judged(rounds),
        stamps=_stamps(rows),
        charts=_charts(rows),
        chosen=chosen_pictures(rounds, data),
        panels=panels,
        legend=legend,
        pictures_note=note,
        footer=f"Made by vergence {vergence.__version__} on {time.strftime('%Y-%m-%d %H:%M')}.",
    )
    return save_page(page_file, page)


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """First and last kept round of each task in a sentence, whichever sign the change has."""
    sentences = []
    rows = [row for row in rows if row.get("kept", True)]
    for task, metric in (("depth", "abs_rel"), ("segmentation", "miou")):
        scored = [row for row in rows if (row["run"], row["task"]) == (task, task) and row.get(metric) is not None]
        if len(scored) < 2:
            continue
        first, last = scored[0], scored[-1]
        before, after = first[metric], last[metric]
        if task == "depth":
            share = abs(round(100 * (1 - after / before)))
            change = f"{share} % {'below' if after < before else 'ABOVE'}" if share else "as good as"
            sentences.append(
                f"Depth: abs_rel is {number(after)} in round {last['round']}, {change} the {number(before)} of round "
                f"{first['round']}."
            )
        else:
            points = round(100 * abs(after - before), 1)
            change = f"{points:.1f} points {'above' if after > before else 'BELOW'}" if points else "as good as"
            sentences.append(
                f"Segmentation: mIoU is {percent(after)} % in round {last['round']} with {last['labels']} labels, "
                f"{change} the {percent(before)} % of round {first['round']} with {first['labels']}."
            )
    return sentences


def refusals(rounds: Sequence[Round]) -> list[str]:
    """A sentence for each task of a round that is not kept: why, and what came of it."""
    sentences = []
    for one in rounds:
        if whole := one.verdict("depth").get("whole", False) and not one.kept("depth"):
            sentences.append(_refusal(f"Round {one.number}", "", one.verdict("depth")))
        for task in () if whole else (task for task in JUDGED if not one.kept(task)):
            sentences.append(_refusal(f"{task.capitalize()} of round {one.number}", "that of ", one.verdict(task)))
    return sentences


def _refusal(what: str, that: str, verdict: Mapping[str, Any]) -> str:
    return f"{what} is NOT kept: {verdict.get('because', '')}; {that}round {verdict.get('against', 0)} goes on."


def judged(rounds: Sequence[Round]) -> list[list[str]]:
    """A line of cells for each number that a round was judged by."""
    lines = []
    for one in rounds:
        for task in JUDGED:
            verdict = one.verdict(task)
            for measure in verdict.get("measures", []):
                if measure.get("task", task) != task:  # a verdict of earlier versions, on the whole round
                    continue
                values = [_four(measure["before"]), _four(measure["now"]), _difference(measure)]
                better = "↑" if measure["higher"] else "↓"
                lines.append(
                    [f"{task} of round {one.number}", "yes" if one.kept(task) else "NO",
                     f"round {verdict.get('against', 0)}", f"{measure['name']} {better}", *values,
                     str(measure.get("frames", "–")), measure["on"]]
                )  # fmt: skip
    return lines


def _four(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _difference(measure: Mapping[str, Any]) -> str:
    difference, error = measure.get("difference"), measure.get("error")
    if difference is None:
        return "–"
    return f"{difference:+.2g}" + ("" if error is None else f" ± {error:.2g}")


_GATES = {
    "auto": "by labels of frames set aside, else by video",
    "labels": "by labels of frames set aside",
    "video": "by video, without labels",
    "none": "always",
}


def _carry(config: FlywheelConfig) -> str:
    seconds = config.carry.seconds
    return f"{seconds:g} seconds through video" if seconds else "to no other frame"


def _result(rounds: Sequence[Round]) -> str:
    """What is kept of what is there."""
    scored = [one for one in rounds if one.scores().get("segmentation")]
    if not scored:
        return "none yet"
    return ", ".join(f"{task} of round {kept_before(scored, len(scored), task).number}" for task in JUDGED)


def _badges(config: FlywheelConfig, rounds: Sequence[Round]) -> list[Text]:
    scored = sum(bool(one.scores().get("segmentation")) for one in rounds)
    finished = "finished" if scored == config.rounds else "unfinished"
    exchange = "hints from the round before" if config.exchange else "control: no exchange, equal training"
    return [
        Text(f"{finished}: {scored} of {config.rounds} rounds", "good" if scored == config.rounds else "warn"),
        Text(exchange),
    ]


def _facts(config: FlywheelConfig, rounds: Sequence[Round], data: Manifest) -> list[tuple[str, str]]:
    labels = config.labels
    budget = f"{labels.per_round} a round" + ("" if labels.total is None else f", {labels.total} in all")
    whose = "revealed from the data" if labels.by == "manifest" else "made by people on request"
    return [
        ("Frames", f"{Path(config.data).name}, {len(data)} ({data.digest()})"),
        ("Depth of round 0", config.depth.recipe),
        ("Depth of later rounds", config.hinted_depth.recipe if config.exchange else config.depth.recipe),
        ("Segmentation", config.segmentation.recipe),
        ("Segmentation starts from", "the last kept one" if config.warm_start else "the round's depth"),
        ("Labels", f"{budget}, {whose}"),
        ("Frames chosen by", labels.criterion),
        ("Labels are carried", _carry(config)),
        ("Depth and segmentation are kept", _GATES[config.gate.by]),
        ("Result", _result(rounds)),
        ("Labels so far", str(max((len(one.chosen()) for one in rounds), default=0))),
        ("Seed", str(config.seed)),
    ]


def _row(rows: Sequence[Mapping[str, Any]], one: Round, run: str, task: str) -> Mapping[str, Any]:
    wanted = (one.number, run, task)
    return next((row for row in rows if (row["round"], row["run"], row["task"]) == wanted), {})


def _branch_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A column for the classes that depth runs learn beside, where any does."""
    return ["depth run's mIoU %"] if _branch(rows) else []


def _branch(rows: Sequence[Mapping[str, Any]]) -> bool:
    return any((row["run"], row["task"]) == ("depth", "segmentation") for row in rows)


def _line(one: Round, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A round's numbers, and links to its pages."""
    depth, classes = _row(rows, one, "depth", "depth"), _row(rows, one, "segmentation", "segmentation")
    cells = [str(one.number), _kept(one), str(len(one.chosen()) or "–"), str(depth.get("recipe", ""))]
    cells += [number(depth.get(metric)) for metric in _DEPTH]
    cells += [percent(classes.get(metric)) for metric in _CLASSES]
    if _branch(rows):
        cells.append(percent(_row(rows, one, "depth", "segmentation").get("miou")))
    pages = (("depth", "report"), ("selection", "selection"), ("segmentation", "report"))
    links = [
        (stage, f"{one.folder.name}/{stage}/{page}.html")
        for stage, page in pages
        if (one.folder / stage / f"{page}.html").is_file()
    ]
    return {"cells": cells, "links": links}


def _kept(one: Round) -> str:
    if not one.scores().get("segmentation"):
        return "–"
    depth, classes = (one.kept(task) for task in JUDGED)
    return {(True, True): "both", (True, False): "depth", (False, True): "segmentation"}.get((depth, classes), "NONE")


def _stamps(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the numbers depend on, of the newest round."""
    stamps = {(row["run"], row["task"]): f"{row['task'].capitalize()}: {row['stamp']}" for row in rows}
    return [stamps[key] for key in (("depth", "depth"), ("segmentation", "segmentation")) if key in stamps]


def _charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    charts = []
    for title, task, metrics in _CHARTS:
        lines: dict[str, Curve] = defaultdict(lambda: Curve([], []))
        for row in (row for row in rows if row["task"] == task):
            for metric in metrics:
                if row.get(metric) is not None:
                    name = metric if row["run"] == task else f"{metric}, classes of depth runs"
                    if name != metric and metric != "miou":
                        continue
                    lines[name].steps.append(row["round"])
                    lines[name].values.append(row[metric])
        if lines and max(len(line.steps) for line in lines.values()) > 1:
            charts.append(chart(title, lines, along="round"))
    return charts
