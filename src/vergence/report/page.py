"""The report of a run: one HTML page with everything in it, no network needed, at any time of the run's life."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vergence
from vergence.errors import InputError
from vergence.report.curves import charts
from vergence.report.page_file import save_page
from vergence.report.run_folder import (
    Record,
    labelled_frames,
    last_step,
    logged_warnings,
    predicts_depth,
    read_evaluations,
    read_records,
    recipe_warnings,
    setting,
    source_name,
    stored_settings,
)
from vergence.report.samples import Samples, collect_samples
from vergence.report.sound_values import is_number, mapping
from vergence.report.tables import Text, tables
from vergence.runs.folder import RunFolder


def write_report(run: Path | str, out: Path | str | None = None, data: Any = None, images: int = 4) -> Path:
    """Write the report of a run folder: what was run, curves, evaluations, pictures.

    It works while the run is training, and without evaluation, weights or data at hand: the page says what is missing.

    Args:
        run: run folder, or a loaded run.
        out: HTML file; default that of the run folder.
        data: manifest, folder or video to take pictures from; default the run's evaluation data.
        images: how many frames to show; 0 for none.

    Raises:
        InputError: the folder is no run, ``data`` is not there, or the page cannot be written.
    """
    folder = Path(getattr(run, "path", run))
    if images < 0:
        raise InputError(f"images is {images}; give how many frames to show, 0 for none.")
    if isinstance(data, str | Path) and not Path(data).exists():
        raise InputError(f"{data} does not exist; give a manifest, a folder or a video, or leave --data out.")
    files = RunFolder(folder)
    if not folder.is_dir() or not any(file.exists() for file in (files.recipe, files.log)):
        raise InputError(
            f"{folder} is no run folder (it has neither {files.recipe.name} nor {files.log.name}); give one made by "
            "`vergence train`."
        )
    samples = collect_samples(run, data, images)
    page = render(folder, samples)
    return save_page(Path(out) if out is not None else files.report, page)


def render(folder: Path, samples: Samples) -> str:
    """The page as text; ``samples`` is what :func:`vergence.report.samples.collect_samples` gives."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    records = read_records(RunFolder(folder).log)
    config = stored_settings(folder)
    evaluations, depth = read_evaluations(folder), predicts_depth(config)
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
        f"{'measured depth' if depth else 'labels'}.",
        depth=depth,
        classes=samples.classes,
        charts=charts(records),
        panels=samples.panels,
        pictures_note=samples.note,
        no_pictures=samples.missing or "No pictures were asked for.",
        masks=samples.masks,
        strip=samples.strip,
        strip_note=samples.strip_note,
        footer=f"Made by vergence {vergence.__version__} on {time.strftime('%Y-%m-%d %H:%M')}.",
    )


def _progress(config: Mapping[str, Any], records: Sequence[Record], folder: Path) -> str:
    step, steps = last_step(folder, records), setting(config, "train", "steps")
    if not is_number(steps) or not steps:
        return f"{step} steps"
    done = "finished" if step >= steps else "unfinished"
    return f"{done}: {step} of {steps} steps"


def _badges(config: Mapping[str, Any], records: Sequence[Record], folder: Path, samples: Samples) -> list[Text]:
    text = _progress(config, records, folder)
    badges = [Text(text, "good" if text.startswith("finished") else "warn")]
    if samples.scale:
        badges.append(Text(samples.scale, "good" if samples.scale.startswith("depth in metres") else "warn"))
    return badges


def facts(config: Mapping[str, Any], records: Sequence[Record], digest: str = "") -> list[tuple[str, str]]:
    """What was run, as name and value; only what is known."""
    start: dict[str, Any] = {}
    for record in records:
        if record.get("kind") == "event":
            start.update({key: value for key, value in record.items() if isinstance(value, str | int | float)})
    method, depth = config.get("method") or "", predicts_depth(config)
    parts = ((str(method), "network"), (str(method), "pose"), ("frames", "options"))
    net, pose, options = (mapping(setting(config, *keys)) for keys in parts)
    precision = setting(config, "train", "precision")
    size = f"{options['width']} x {options.get('height')}" if options.get("width") else None
    if size and isinstance(aspect := options.get("aspect"), int | float) and aspect:
        size += f"; frames that are not {aspect:.2f}:1 are cut to it"
    listed = {
        "Recipe": config.get("recipe"),
        "Method": method,
        "Training data": setting(config, "frames", "source"),
        "Source domain": setting(config, "frames", "source_domain"),
        "Training data digest": start.get("data_digest") or start.get("data") or digest,
        "Frames seen at": size,
        "Learns from": _sources(options.get("offsets")) if depth else "labels",
        "Label space": str(options.get("label_space") or "").partition(":")[0],
        "Labelled frames": labelled_frames(records),
        "Network" if options.get("label_space") else "Depth network": _joined(
            net.get("encoder"), net.get("decoder"), _named("weights", net.get("weights"))
        ),
        "Starts from": setting(config, str(method), "initialize_from"),
        "Pose network": _joined(pose.get("encoder"), _named("weights", pose.get("weights"))) if depth else "",
        "Mixing": setting(config, str(method), "consistency", "mix"),
        "Batch size": setting(config, "frames", "batch_size"),
        "Steps": setting(config, "train", "steps"),
        "Optimiser": _joined(*(setting(config, "optim", key) for key in ("name", "lr", "schedule"))),
        "Precision": "fp32" if precision in ("no", False) else precision,
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
