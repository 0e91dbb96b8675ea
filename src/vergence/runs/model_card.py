"""The model card of a checkpoint: what the model is, of what it was made, and what binds whoever uses it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vergence
from vergence.data.labels import label_space
from vergence.errors import InputError, printable
from vergence.methods import METHODS, Method
from vergence.runs.config import RunConfig
from vergence.runs.folder import Checkpoint

_WHAT = {
    "depth": "Monocular depth, learned from video without labels (view synthesis).",
    "distill": "Depth of a student that imitates estimated depth.",
    "supervised": "Semantic segmentation, learned from labels.",
    "frozen": "Semantic segmentation by a light head on a frozen encoder, learned from labels.",
    "three_ways": "Semantic segmentation that depth taught: Three Ways to Improve Semantic Segmentation with "
    "Self-Supervised Depth Estimation (CVPR 2021).",
    "ssda": "Semantic segmentation carried from one domain to another with few labels: Improving Semi-Supervised and "
    "Domain-Adaptive Semantic Segmentation with Self-Supervised Depth Estimation (IJCV 2023).",
    "unimatch": "Semantic segmentation from few labels: UniMatch (CVPR 2023), with depth where it is asked for.",
    "corda": "Semantic segmentation carried to an unlabelled domain with its depth: CorDA (ICCV 2021).",
    "semhint": "Monocular depth with hints from semantics: SemHint-MD (ICRA 2023).",
}


def model_card(config: RunConfig, step: int, scale: str) -> str:
    """The text of a model card: task, classes, unit, data, licence, use.

    Args:
        config: settings of the run.
        step: of the checkpoint.
        scale: what a unit of depth is, in words.
    """
    tasks = tasks_of(config)
    names = {"depth": "depth-estimation", "segmentation": "image-segmentation"}
    files = Checkpoint(Path())
    parts = [
        f"---\nlibrary_name: vergence\nlicense: other\nlicense_name: that-of-the-training-data\n"
        f"pipeline_tag: {names[tasks[0]]}\ntags: {json.dumps([names[task] for task in tasks])}\n---",
        f"# {config.recipe or config.method}, step {step}",
        _WHAT.get(config.method, f"Method `{config.method}`."),
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


def tasks_of(config: RunConfig) -> tuple[str, ...]:
    """What a model of these settings predicts."""
    tasks = METHODS[config.method][1].tasks
    if getattr(config.section, "segmentation", None) is False:
        return ("depth",)
    both = any(getattr(config.section, name, False) for name in ("multi_task", "predicts_depth"))
    return ("segmentation", "depth") if both else tasks


def _facts(config: RunConfig, tasks: tuple[str, ...], scale: str) -> Mapping[str, Any]:
    frames, options = config.frames, config.frames.options
    sources = ", ".join("the stereo partner" if one == "s" else f"frame {one:+d}" for one in options.offsets)
    facts: dict[str, Any] = {
        "Predicts": {"depth": "depth", "segmentation": "classes"}[tasks[0]] + (" and depth" if len(tasks) > 1 else ""),
    }
    if "segmentation" in tasks:
        facts["Classes"] = _classes(options.label_space)
    if "depth" in tasks:
        facts["Unit of depth"] = scale
        facts["Depth was learned from"] = getattr(config.section, "target_depth", sources) or "estimates"
    initial = getattr(getattr(config.section, "network", None), "weights", None)
    facts |= {
        "Training data": frames.source or "unknown (converted weights)",
        "Source domain": frames.source_domain,
        "Labels": frames.labelled.file or (frames.labelled.count and f"{frames.labelled.count} frames"),
        "Network starts from": getattr(config.section, "initialize_from", None) or initial,
        "Frames seen at": f"{options.width}x{options.height}"
        + (f"; frames that are not {options.aspect:.2f}:1 were cut to it" if options.aspect else ""),
        "Method, recipe, seed": f"{config.method}, {config.recipe or 'none'}, {config.train.seed}",
        "Licence": "the licences of the training data and of the weights it starts from bind these weights too; "
        "Vergence's own licence is for the program only",
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
