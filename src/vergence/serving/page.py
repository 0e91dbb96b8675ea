"""The page for people: drop a picture or a short video, see what the model says, take the files along."""

import os
import shutil
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from vergence.data.layouts.files import VIDEO_SUFFIXES
from vergence.serving import markup
from vergence.serving.limits import Refusal
from vergence.serving.service import Service
from vergence.serving.shown import safe_stem

_PICTURES = [".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".ppm", ".pgm", ".gif"]
_WORST = 8
_NARROW = """@media (max-width: 600px) { .gradio-container.gradio-container { padding: 8px 0 32px !important; }
  .gradio-container .main.fillable { padding: 8px 4px !important; } }"""
"""Less room beside on small screens. Gradio holds rules for some screens in ``css`` for those of parts of its page."""


def quiet(folder: Path) -> None:
    """Before Gradio is imported: it reports nothing to anybody and writes below ``folder`` only."""
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=str(folder / "page"), GRADIO_RUN_HISTORY="False",
        GRADIO_MCP_SERVER="False", GRADIO_NODE_SERVER_NAME="", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1",
    )  # fmt: skip


async def worst_frames(service: Service) -> str:
    """The gallery, as HTML; "" where the run has no evaluation by image."""
    name, out = service.new_result()
    try:
        answer, _ = await service.ask({"do": "worst", "out": str(out), "count": _WORST})
    except Refusal:
        return ""
    service.keep(name, for_ever=True)
    return markup.worst(answer["frames"], f"results/{name}") if answer["frames"] else ""


def add_page(app: FastAPI, service: Service) -> None:
    """Put the page at ``/`` of the interface, below its other routes."""
    import gradio

    async def looked(given: str | None) -> Any:
        if given is None:
            return gradio.update(value="", visible=False)
        try:
            html = markup.result(*await look_at(service, Path(given)))
        except Refusal as error:
            html = markup.trouble(error.sentence)
        return gradio.update(value=html, visible=True)

    gallery_html: list[str] = []

    async def opened() -> Any:
        if not gallery_html:
            gallery_html.append(await worst_frames(service))
        html = gallery_html[0]
        return gradio.update(value=f"<h2>Worst frames of its evaluation</h2>{html}", visible=bool(html))

    blocks = gradio.Blocks(
        title=f"Vergence: {service.about['name']}", analytics_enabled=False, delete_cache=(300, 1800)
    )
    with blocks:
        gradio.HTML(markup.heading(service.about))
        given = gradio.File(
            label="Drop a picture or a short video", file_types=[*_PICTURES, *sorted(VIDEO_SUFFIXES)], height=170,
            elem_id="given",
        )  # fmt: skip
        result = gradio.HTML(visible=False, elem_id="result")
        gallery = gradio.HTML(visible=False, elem_id="worst")
        given.change(looked, given, result, api_visibility="private", show_progress="full", concurrency_limit=4)
        blocks.load(opened, None, gallery, api_visibility="private", show_progress="hidden")
    blocks.queue(max_size=service.limits.waiting)
    plain = ("system-ui", "Segoe UI", "DejaVu Sans", "sans-serif")
    theme = gradio.themes.Base(
        primary_hue="blue", neutral_hue="slate", font=plain, font_mono=("ui-monospace", "DejaVu Sans Mono", "monospace")
    )
    gradio.mount_gradio_app(
        app, blocks, path="/", theme=theme, css=_beside("page.css"),
        head=f"<script>{_beside('cloud.js')}</script><style>{_NARROW}</style>",
        footer_links=[], run_history=False, ssr_mode=False, pwa=False, mcp_server=False, enable_monitoring=False,
        max_file_size=service.limits.bytes, show_error=False,
    )  # fmt: skip


def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


async def look_at(service: Service, given: Path) -> tuple[dict[str, Any], str]:
    """What is said of an uploaded file, and where its results are; the upload is removed.

    Raises:
        Refusal: it cannot be looked at.
    """
    stem, suffix = safe_stem(given.stem), given.suffix.lower()
    name, out = service.new_result()
    try:
        async with service.request_file(suffix if suffix in VIDEO_SUFFIXES else ".png") as file:
            shutil.move(given, file)
            job = {"do": "show", "file": str(file), "out": str(out), "name": stem, "frames": service.limits.frames}
            answer, _ = await service.ask(job)
    except Refusal:
        shutil.rmtree(out, ignore_errors=True)
        raise
    service.keep(name)
    return answer, f"results/{name}"
