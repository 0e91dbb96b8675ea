"""The model card of a checkpoint: what the model is, of what it was made, and what binds whoever uses it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vergence
from vergence.data.frame_options import offset_name
from vergence.data.labels import label_space
from vergence.errors import InputError, printable
from vergence.methods import Method
from vergence.runs.config import RunConfig
from vergence.runs.folder import Checkpoint

LICENCE = (
    "the licences of the training data and of the weights it starts from bind these weights too; "
    "Vergence's own licence is for the program only"
)
"""What binds whoever uses the weights of runs."""


def model_card(config: RunConfig, step: int, scale: str) -> str:
    """The text of a model card: task, classes, unit, data, licence, use.

    Args:
        config: settings of the run.
        step: of the checkpoint.
        scale: what a unit of depth is, in words.
    """
    tasks = config.section.tasks
    names = {"depth": "depth-estimation", "segmentation": "image-segmentation"}
    files = Checkpoint(Path())
    parts = [
        f"---\nlibrary_name: vergence\nlicense: other\nlicense_name: that-of-the-training-data\n"
        f"pipeline_tag: {names[tasks[0]]}\ntags: {json.dumps([names[task] for task in tasks])}\n---",
        f"# {config.recipe or config.method}, step {step}",
        config.section.what or f"Method `{config.method}`.",
        _table(_facts(config, tasks, scale)),
        "Use: `vergence predict RUN INPUT --out DIR`, or in Python\n"
        "`vergence.runs.checkpoint.load_run(RUN).method.predict(images)` with images (B, 3, H, W) in [0, 1].\n"
        f"`{files.weights}` holds the weights; `{files.state}` and `{files.values}` only what resuming needs; all\n"
        f"settings stand in `{files.settings}`.",
    ]
    return "\n\n".join(parts) + "\n"


def describe_scale(method: Method) -> str:
    """What a unit of a method's depth is, in words."""
    return f"metric, {method.metres_per_unit:g} m a unit" if method.scale == "metric" else "unscaled (one free factor)"


def _facts(config: RunConfig, tasks: tuple[str, ...], scale: str) -> Mapping[str, Any]:
    frames, options = config.frames, config.frames.options
    sources = ", ".join(map(offset_name, options.offsets))
    facts: dict[str, Any] = {
        "Predicts": {"depth": "depth", "segmentation": "classes"}[tasks[0]] + (" and depth" if len(tasks) > 1 else ""),
    }
    if "segmentation" in tasks:
        facts["Classes"] = _classes(options.label_space)
    if "depth" in tasks:
        facts["Unit of depth"] = scale
        facts["Depth was learned from"] = config.section.depth_from or sources or "estimates"
    initial = next((network.weights for network in config.section.networks.values()), None)
    facts |= {
        "Training data": frames.source or "unknown (converted weights)",
        "Source domain": frames.source_domain,
        "Labels": frames.labelled.file or (frames.labelled.count and f"{frames.labelled.count} frames"),
        "Network starts from": config.section.starts_from or initial,
        "Frames seen at": f"{options.width}x{options.height}"
        + (f"; frames that are not {options.aspect:.2f}:1 were cut to it" if options.aspect else ""),
        "Method, recipe, seed": f"{config.method}, {config.recipe or 'none'}, {config.train.seed}",
        "Licence": LICENCE,
        "Made with": f"Vergence {vergence.__version__}",
    }
    return {name: value for name, value in facts.items() if value not in (None, "", 0)}


def _classes(text: str) -> str:
    try:
        space = label_space(text)
    except InputError:
        return text or "unknown"
    return f"{len(space)} of {text.partition(':')[0]}: {', '.join(space.classes)}"


def _table(facts: Mapping[str, Any]) -> str:
    """A table of Markdown; what a name could break it with is escaped."""
    lines = ["| | |", "|---|---|"]
    for name, value in facts.items():
        text = printable(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
        lines.append(f"| {name} | {text} |")
    return "\n".join(lines)
