"""Recipes for people: one line each, and one of them with all its settings."""

from pathlib import Path

from vergence.flywheel.settings import flywheel_sections, is_flywheel
from vergence.runs.config import RunConfig, read_config
from vergence.runs.recipe import RECIPES, recipe_names
from vergence.runs.setting_texts import listed, run_sections

_PORTS = {"truth": "true depth or labels of all frames", "manifest": "estimated depth in the manifest"}
"""Where depth and labels that are not learned come from, in words."""


def recipe_lines() -> list[str]:
    """A line for each recipe: what it does, and what it needs."""
    names = recipe_names(chains=True)
    width = max(map(len, names)) + 2
    return [f"{name:{width}}{what_it_does(name)} [{what_it_needs(name)}]" for name in names]


def recipe_text(recipe: str) -> str:
    """What a recipe does and needs, and all its settings with values and meanings."""
    settings = flywheel_sections(recipe) if is_flywheel(recipe) else run_sections(read_config(recipe))
    return (
        f"usage: vergence train {recipe} --out RUN [--data X] [--key value ...]\n\n{about(recipe)}"
        f"needs: {what_it_needs(recipe)}\n\nsettings, as the recipe has them:\n{listed(settings)}"
    )


def about(recipe: str) -> str:
    """The comment at the top of a recipe's file; "" where it has none."""
    lines = []
    for line in (_file(recipe).read_text(encoding="utf-8") if _file(recipe).is_file() else "").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return "".join(f"{line}\n" for line in lines)


def what_it_does(recipe: str) -> str:
    """The first sentence of that comment; of a small twin also that of what it is the twin of."""
    text = " ".join(about(recipe).split("\n"))
    sentence = text.partition(". ")[0].partition(" --")[0].partition(": ")[0].rstrip(" .:") + "."
    whole = recipe.removesuffix("-tiny")
    return f"{what_it_does(whole)} {sentence}" if whole != recipe and _file(whole).is_file() else sentence


def what_it_needs(recipe: str) -> str:
    """Which data, and what beside them, in words."""
    if is_flywheel(recipe):
        return "video, labels of some frames"
    return needs(read_config(recipe))


def needs(config: RunConfig) -> str:
    """What the roles of a run's method draw from, and what must be named beside the data."""
    roles, needed = config.section.roles.values(), []
    if any(role.neighbours for role in roles):
        needed.append("stereo pairs" if set(config.frames.options.offsets) == {"s"} else "video")
    if any(role.labels and role.pool != "source_domain" for role in roles):
        needed.append("labels of some frames")
    if any(role.pool == "source_domain" for role in roles):
        needed.append("labelled frames of another domain (frames.source_domain)")
    if any(role.measured_depth or role.inverse_depth == "measured" for role in roles):
        needed.append("measured depth")
    needed += sorted({_PORTS.get(port, port) for role in roles for port in (role.depth_port, role.label_port) if port})
    if getattr(config.section, "mixes_depth", False) and not getattr(config.section, "depth", ""):
        needed.append(f"a depth run ({config.method}.depth)")
    if getattr(config.section, "labels", None) == "":
        needed.append(f"noisy labels ({config.method}.labels)")
    return ", ".join(needed) or "frames"


def _file(recipe: str) -> Path:
    return Path(recipe) if recipe.lower().endswith((".yaml", ".yml")) else RECIPES / f"{recipe}.yaml"
