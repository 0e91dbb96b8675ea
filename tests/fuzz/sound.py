"""Whether the results of a command that accepted its input make sense, read without the package's own readers."""

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import load_file

_WRONG = (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError)


def faults(argv: Sequence[str], work: Path) -> list[str]:
    """What is wrong with the results of a command line that ended with 0; nothing where there are none to look at."""
    verb = " ".join(argv[:2]) if argv and argv[0] == "labels" else "".join(argv[:1])
    look = _LOOKS.get(verb)
    if look is None or "--help" in argv or "--print_config" in argv:
        return []
    try:
        return [f"accepted nonsense: {fault}" for fault in look(argv, work)]
    except _WRONG as error:
        return [f"accepted nonsense: its results cannot be read ({type(error).__name__}: {error})"]


def _out(argv: Sequence[str], work: Path, default: str = "") -> Path:
    place = argv[argv.index("--out") + 1] if "--out" in argv else default
    return work / place.replace("{here}", str(work))


def rows(path: Path) -> list[dict[str, Any]]:
    """Of a manifest, every value a text."""
    if path.suffix == ".parquet":
        return [
            {key: "" if value is None else str(value) for key, value in row.items()}
            for row in pq.read_table(path).to_pylist()
        ]
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _manifest(argv: Sequence[str], work: Path) -> Iterator[str]:
    path = _out(argv, work)
    found = rows(path)
    if not found:
        yield "a manifest without frames"
    for row in found:
        for column in ("image", "label", "depth", "label_confidence"):
            if row.get(column) and not (path.parent / row[column]).exists():
                yield f"the manifest names {row[column]!r}, which is not there"
        for column in ("fx", "fy", "baseline"):
            value = float(row.get(column) or "nan")
            if math.isinf(value) or (column != "baseline" and value <= 0):
                yield f"{column} is {value}"


def _labelled(argv: Sequence[str], work: Path) -> Iterator[str]:
    yield from _manifest(argv, work)
    path = _out(argv, work)
    for row in rows(path):
        if not row["label"]:
            continue
        classes = row["label_space"].count("#") or 255
        with Image.open(path.parent / row["label"]) as image:
            ids = np.asarray(image)
        with Image.open(path.parent / row["image"]) as image:
            size = image.size
        if ids.shape != size[::-1]:
            yield f"a label of shape {ids.shape} of a picture of {size}"
        if any(classes <= value < 255 for value in np.unique(ids)):
            yield f"a label with ids {np.unique(ids)} of {classes} classes"


def _predicted(argv: Sequence[str], work: Path) -> Iterator[str]:
    out = _out(argv, work)
    about = json.loads((out / "prediction.json").read_text()) if (out / "prediction.json").exists() else {}
    pictures = sorted((out / "depth").rglob("*.png"))
    if not pictures:
        yield "no depth was written"
    if about and about.get("frames") != len(pictures):
        yield f"{about.get('frames')} frames are said, {len(pictures)} written"
    for path in pictures:
        with Image.open(path) as image:
            values = np.asarray(image)
        if values.ndim != 2 or not values.any():
            yield f"{path.name} has no depth anywhere"


def _finite(value: Any, place: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from _finite(one, f"{place}.{key}".lstrip("."))
    if isinstance(value, float) and math.isinf(value):
        yield f"{place} is {value}"


def _evaluated(argv: Sequence[str], work: Path) -> Iterator[str]:
    for path in sorted((work / argv[1] / "evaluation").glob("*.json")):
        found = json.loads(path.read_text())
        listed = [*found.get("rows", []), *found.get("segmentation", {}).get("rows", [])]
        if not listed:
            yield f"{path.name} has no rows"
        for row in listed:
            numbers = [row[key] for key in ("abs_rel", "miou") if key in row]
            if not numbers or not all(
                isinstance(one, float | int) and math.isfinite(one) and one >= 0 for one in numbers
            ):
                yield f"{path.name}: {row.get('name')} has the scores {numbers}"


def _trained(argv: Sequence[str], work: Path) -> Iterator[str]:
    run = work / argv[argv.index("--resume") + 1] if "--resume" in argv else _out(argv, work)
    latest = run / "checkpoints" / (run / "checkpoints/LATEST").read_text().strip()
    for name, values in load_file(latest / "model.safetensors").items():
        if not np.isfinite(values).all():
            yield f"{name} is not finite after training"
    lines = [
        json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines() if line.startswith('{"step"')
    ]
    if "--resume" not in argv and not any(
        math.isfinite(line.get("loss", math.nan)) for line in lines if line["kind"] == "train"
    ):
        yield "no loss of its training is finite"


def _page(argv: Sequence[str], work: Path) -> Iterator[str]:
    path = _out(argv, work, f"{argv[1]}/report.html")
    text = path.read_text(encoding="utf-8")
    if not text.rstrip().endswith("</html>"):
        yield "the page ends early"
    if "<script>alert" in text or "\x1b" in text or "javascript:" in text:
        yield "the page holds what a file said, not escaped"
    if any(mark in text for mark in (">nan<", ">inf<", ">None<", ">Infinity<")):
        yield "the page shows a number that is none"


def _chosen(argv: Sequence[str], work: Path) -> Iterator[str]:
    found = rows(_out(argv, work) / "selection.parquet")
    wanted = int(argv[argv.index("--count") + 1])
    if len(found) != wanted or len({row["image"] for row in found}) != wanted:
        yield f"{len(found)} frames are chosen, not {wanted}"


def _exported(argv: Sequence[str], work: Path) -> Iterator[str]:
    if not any(path.is_file() for path in (_out(argv, work) / "images").glob("*")):
        yield "nothing was exported"


def _served(argv: Sequence[str], work: Path) -> Iterator[str]:
    """What a server answered to a malformed request, and to a sound one after it."""
    found = json.loads((work / "answers.json").read_text())
    status, body = _response(found.get("answer", ""))
    wanted = found["wanted"]
    if status is None:
        if wanted:
            yield f"no answer, expected one of {wanted[:3]}"
    elif status not in (wanted or (*range(400, 500), 501, 505)):
        yield f"status {status}, expected one of {wanted[:3]}: {body[:200]!r}"
    if body.startswith("{") and status != 200:
        said = json.loads(body)
        sentence = said.get("error", "")
        if set(said) != {"error"} or not sentence or "\n" in sentence or str(work.parent) in sentence:
            yield f"no sentence: {body[:200]!r}"
    if "Traceback" in body or (len(body) > 4000 and status != 200):
        yield f"more than a sentence: {body[:200]!r}"
    after, body = _response(found.get("after", ""))
    if after != 200:
        yield f"a sound request after it gets status {after}: {body[:200]!r}"


def _response(text: str) -> tuple[int | None, str]:
    """Status and body of the first answer; None where there is none."""
    head, _, body = text.partition("\r\n\r\n")
    words = head.split(" ", 2)
    return (int(words[1]), body) if text.startswith("HTTP/") else (None, "")


def _graph(argv: Sequence[str], work: Path) -> Iterator[str]:
    path = _out(argv, work)
    if not path.is_file() or not json.loads(path.with_name(f"{path.name}.json").read_text())["outputs"]:
        yield "no file, or one that gives nothing"


_LOOKS: dict[str, Callable[[Sequence[str], Path], Iterator[str]]] = {
    "index": _manifest, "labels import": _labelled, "labels propagate": _labelled, "labels export": _exported,
    "predict": _predicted, "evaluate": _evaluated, "train": _trained, "report": _page, "select": _chosen,
    "serve": _served, "export": _graph, "labels pull": _labelled,
}  # fmt: skip
