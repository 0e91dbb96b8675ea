"""What the page says of a picture, as HTML: figures with colour bars and legends, files to take along."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Said = Mapping[str, Any]


def heading(about: Said) -> str:
    """The model's name and what is known of it."""
    tasks = {"depth": "depth", "segmentation": "classes"}
    facts = [("predicts", " and ".join(tasks.get(task, task) for task in about["tasks"]))]
    if about["unit"]:
        facts.append(("depth", "metres" if about["unit"] == "metres" else "unscaled: only ratios mean something"))
    if about["classes"]:
        facts.append(("classes", str(len(about["classes"]))))
    if about["step"]:
        facts.append(("step", str(about["step"])))
    facts += [("weights", str(about["digest"])[:12]), ("device", about["device"])]
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    licence = about["licence"][:1].upper() + about["licence"][1:]
    return (
        f'<header class="vg-head"><h1>{escape(about["name"])}</h1><dl>{listed}</dl>'
        f'<p>Licence: {escape(licence)}. For machines: <a href="docs">POST /predict</a>.</p></header>'
    )


def result(about: Said, address: str) -> str:
    """Figures and files of a result below the address ``place``."""
    figures = "".join(_figure(entry, address) for entry in about["figures"])
    if "video" in about:
        shown = about["video"]
        figures = (
            '<figure class="vg-wide"><video controls loop muted autoplay playsinline '
            f'src="{_at(address, shown["file"])}"></video><figcaption><b>Video</b> {escape(shown["text"])}</figcaption>'
            f"{_bar(shown)}</figure>{figures}"
        )
    files = "".join(
        f'<li><a href="{_at(address, file)}" download>{escape(label)}</a></li>' for label, file in about["files"]
    )
    return f'<div class="vg-figures">{figures}{_cloud(about, address)}</div><ul class="vg-files">{files}</ul>'


def _cloud(about: Said, address: str) -> str:
    """A canvas that ``cloud.js`` fills."""
    if about["cloud"] is None:
        return ""
    return (
        f'<figure class="vg-wide"><canvas class="vg-cloud" data-cloud="{_at(address, about["cloud"])}" tabindex="0" '
        'role="img" aria-label="Point cloud"></canvas><figcaption><b>Point cloud</b> drag to turn, scroll or pinch to '
        "come nearer, double-click to begin again</figcaption></figure>"
    )


def worst(frames: Sequence[Said], address: str) -> str:
    """The gallery of a run's worst frames."""
    figures = "".join(
        f'<figure><img src="{_at(address, frame["file"])}" alt="{escape(frame["name"])}" loading="lazy">'
        f"<figcaption><b>{escape(frame['name'])}</b> {escape(frame['measure'])} {frame['value']:.3g}</figcaption>"
        "</figure>"
        for frame in frames
    )
    return f'<div class="vg-figures vg-worst">{figures}</div>'


def trouble(sentence: str) -> str:
    """Why there is no result."""
    return f'<p class="vg-trouble" role="alert">{escape(sentence[:1].upper() + sentence[1:])}</p>'


def _at(address: str, file: str) -> str:
    return escape(f"{address}/{file}")


def _figure(entry: Said, address: str) -> str:
    picture, title = _at(address, entry["file"]), escape(entry["title"])
    return (
        f'<figure><a href="{picture}" target="_blank"><img src="{picture}" alt="{title}"></a>'
        f"<figcaption><b>{title}</b> {escape(entry['text'])}</figcaption>{_bar(entry)}{_legend(entry)}</figure>"
    )


def _bar(entry: Said) -> str:
    bar = entry.get("bar")
    if not bar:
        return ""
    ends = "".join(f"<span>{escape(bar[end])}</span>" for end in ("low", "middle", "high") if end in bar)
    return (
        f'<div class="vg-bar"><i style="background:linear-gradient(to right,{",".join(bar["colours"])})"></i>'
        f"<div>{ends}</div><small>{escape(bar['of'])}</small></div>"
    )


def _legend(entry: Said) -> str:
    classes = entry.get("legend")
    if not classes:
        return ""
    items = "".join(
        f'<li><i style="background:rgb({",".join(map(str, one["colour"]))})"></i>{escape(one["name"])} '
        f"<small>{_percent(one['share'])}</small></li>"
        for one in classes
    )
    return f'<ul class="vg-legend">{items}</ul>'


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "&lt;1%"
