"""The report of a run: one HTML page with everything in it, no network needed, at any time of the run's life."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vergence
from vergence.data.buckets.addresses import is_address
from vergence.data.frame_options import offset_name
from vergence.data.manifest import Manifest
from vergence.data.outputs import keep_inputs
from vergence.errors import InputError
from vergence.methods.config import MethodConfig
from vergence.report.curves import charts
from vergence.report.evaluation_tables import Text, tables
from vergence.report.page_file import check_page, save_page
from vergence.report.samples import Samples, collect_samples
from vergence.report.stored_run import (
    Record,
    best_checkpoint,
    is_number,
    labelled_frames,
    last_step,
    logged_warnings,
    mapping,
    predicts_depth,
    read_evaluations,
    read_records,
    recipe_warnings,
    setting,
    stored_settings,
)
from vergence.runs.config import stored_section
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
    if isinstance(data, str | Path) and not is_address(data) and not Path(data).exists():
        raise InputError(f"{data} does not exist; give a manifest, a folder or a video, or leave --data out.")
    files = run_files(folder)
    page_file = Path(out) if out is not None else files.report
    given = data if isinstance(data, Manifest) or (data and Path(data).is_file()) else None
    keep_inputs([page_file], given, *files.inputs(), *files.evaluations())
    check_page(page_file)
    samples = collect_samples(run, data, images)
    page = render(folder, samples)
    return save_page(page_file, page)


def run_files(folder: Path) -> RunFolder:
    """The files of a run folder; InputError where it is none."""
    files = RunFolder(folder)
    if not folder.is_dir() or not any(file.exists() for file in (files.recipe, files.log)):
        raise InputError(
            f"{folder} is no run folder (it has neither {files.recipe.name} nor {files.log.name}); give one made by "
            "`vergence train`."
        )
    return files


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
        facts=facts(config, records, samples.digest, folder),
        evaluations=[table for evaluation in evaluations for table in tables(evaluation)],
        no_evaluation="Not evaluated yet: no file in the run's evaluation folder. Run “vergence evaluate” on data with "
        f"{'measured depth' if depth else 'labels'}.",
        depth=depth,
        classes=samples.classes,
        charts=charts(records),
        training=samples.training,
        training_note=samples.training_note,
        panels=samples.panels,
        pictures_note=samples.note,
        compared_note=samples.compared_note,
        no_pictures=samples.missing or "No pictures were asked for.",
        strip=samples.strip,
        strip_note=samples.strip_note,
        footer=f"Made by vergence {vergence.__version__} on {time.strftime('%Y-%m-%d %H:%M')}.",
    )


def _progress(config: Mapping[str, Any], records: Sequence[Record], folder: Path) -> str:
    step, steps = last_step(folder, records), setting(config, "train", "steps")
    if not is_number(steps) or not steps:
        return f"{step} steps"
    events = [record for record in records if record.get("kind") == "event"]
    if events and events[-1].get("event") == "stopped early":
        return f"finished early: {step} of {steps} steps, as {events[-1].get('reason')}"
    state = "finished" if step >= steps else "unfinished"
    return f"{state}: {step} of {steps} steps"


def _badges(config: Mapping[str, Any], records: Sequence[Record], folder: Path, samples: Samples) -> list[Text]:
    text = _progress(config, records, folder)
    badges = [Text(text, "good" if text.startswith("finished") else "warn")]
    if samples.scale:
        badges.append(Text(samples.scale, "good" if samples.scale.startswith("depth in metres") else "warn"))
    return badges


def facts(
    config: Mapping[str, Any], records: Sequence[Record], digest: str = "", folder: Path | None = None
) -> list[tuple[str, str]]:
    """What was run, as name and value; only what is known."""
    start: dict[str, Any] = {}
    for record in records:
        if record.get("kind") == "event":
            start.update({key: value for key, value in record.items() if isinstance(value, str | int | float)})
    section = stored_section(config)
    options = mapping(setting(config, "frames", "options"))
    precision = setting(config, "train", "precision")
    size = f"{options['width']} x {options.get('height')}" if options.get("width") else None
    if size and isinstance(aspect := options.get("aspect"), int | float) and aspect:
        size += f"; frames that are not {aspect:.2f}:1 are cut to it"
    listed = {
        "Recipe": config.get("recipe"),
        "Method": config.get("method"),
        "Training data": setting(config, "frames", "source"),
        "Source domain": setting(config, "frames", "source_domain"),
        "Training data digest": start.get("data_digest") or start.get("data") or digest,
        "Frames seen at": size,
        "Learns from": _learns_from(section, options.get("offsets")),
        "Label space": str(options.get("label_space") or "").partition(":")[0],
        "Labelled frames": labelled_frames(records),
        **(_method_facts(section) if section is not None else {}),
        "Batch size": setting(config, "frames", "batch_size"),
        "Steps": setting(config, "train", "steps"),
        "Optimiser": _joined(*(setting(config, "optim", key) for key in ("name", "lr", "schedule"))),
        "Precision": "fp32" if precision in ("no", False) else precision,
        "Seed": setting(config, "train", "seed"),
        "Best checkpoint": "" if folder is None else best_checkpoint(folder),
        "Device": start.get("device") or setting(config, "train", "device"),
        "Vergence": start.get("version") or start.get("vergence"),
    }  # fmt: skip
    return [(name, _plain(value)) for name, value in listed.items() if value not in (None, "", [])]


def _method_facts(section: MethodConfig) -> dict[str, str]:
    """Networks, where they start from, and what the method says beside."""
    facts = {
        f"{name.capitalize()} network": _joined(
            network.encoder, getattr(network, "decoder", ""), _named("weights", network.weights)
        )
        for name, network in section.networks.items()
    }
    return {**facts, "Starts from": section.starts_from, **section.facts}


def _learns_from(section: MethodConfig | None, offsets: Any) -> str:
    """What the frames of the method's roles bring, in words."""
    roles = list(section.roles.values()) if section is not None else []
    signals = [_sources(offsets)] if not roles or any(role.neighbours for role in roles) else []
    signals += ["labels"] if any(role.labels for role in roles) else []
    signals += ["noisy labels"] if any(role.label_port for role in roles) else []
    signals += ["estimated or measured depth"] if any(role.depth_port or role.inverse_depth for role in roles) else []
    return _joined(*signals)


def _sources(offsets: Any) -> str:
    """Offsets in words."""
    if not isinstance(offsets, list | tuple):
        return ""
    return ", ".join(offset_name(one) if isinstance(one, int) or one == "s" else str(one) for one in offsets)


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part not in (None, ""))


def _named(name: str, value: Any) -> str:
    return "" if value is None else f"{name} {value}"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
