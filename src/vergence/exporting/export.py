"""A run to a file of another program: traced, written, run, compared, and only then put in its place."""

import contextlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import vergence
from vergence.data.atomic import write_text, writing
from vergence.data.structured import parse_json
from vergence.errors import InputError, nearest
from vergence.exporting.formats import Format, format_of
from vergence.exporting.graph import Graph, outputs_of, traced
from vergence.exporting.quantise import CALIBRATION
from vergence.exporting.verify import FRAMES, TOLERANCE, Known, batches, compared, known_frames
from vergence.inference.exported_facts import MULTIPLE, Facts, read_facts
from vergence.inference.exported_network import resized_to
from vergence.inference.inputs import network_size
from vergence.inference.networks import weights_digest
from vergence.inference.predictor import Predictor, load
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.config_sections import parse_size
from vergence.runs.model_card import LICENCE, describe_scale

_PRECISIONS = ("fp32", "fp16", "int8")
_INPUTS = ("uint8", "float")
_ANY = "any"
_FRAME_OPTIONS = ("height", "width", "fit", "aspect", "resampling", "field_of_view")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a file."""

    size: str | None = None
    """``WIDTHxHEIGHT`` of its pictures, "any" for all multiples of 32; default the run's."""
    batch: str | int = 1
    """Pictures at once; "any"."""
    input: str = "uint8"
    precision: str = "fp32"
    logits: bool = True
    """Give logits beside classes."""
    scale: float | str | None = None
    """The depth's factor to metres, see :func:`vergence.load`."""
    frames: Path | str | None = None
    """Frames to compare on; default the run's."""
    tolerance: float | None = None
    """Largest difference that is taken, as a share of a map's largest value; default by precision."""

    def __post_init__(self) -> None:
        if self.scale is not None:
            with contextlib.suppress(TypeError, ValueError):  # a factor given as a word is the same factor
                object.__setattr__(self, "scale", float(self.scale))
        for name, known in (("input", _INPUTS), ("precision", _PRECISIONS)):
            given = getattr(self, name)
            if given not in known:
                raise InputError(
                    f"{name} {given!r} is unknown{nearest(str(given), list(known))}; use {' or '.join(known)}."
                )
        if self.tolerance is not None and not 0 < self.tolerance < float("inf"):
            raise InputError(f"tolerance is {self.tolerance}; give a positive share of a map's largest value.")
        if self.at_once is not None and not 1 <= self.at_once <= 1024:
            raise InputError(f"batch is {self.batch}; give 1 to 1024, or any.")

    @property
    def at_once(self) -> int | None:
        """Pictures at once, None for any number."""
        if self.batch == _ANY:
            return None
        try:
            return int(self.batch)
        except (TypeError, ValueError):
            raise InputError(f"batch is {self.batch!r}; give a number or any.") from None


_WANTED = Wanted()


def export(run: LoadedRun | Path | str, to: str, out: Path | str, wanted: Wanted = _WANTED) -> dict[str, Any]:
    """Write a run as a file of another program, and return what the file says of itself.

    The file is run on frames before it takes its place, and compared with PyTorch; what it says stands in it, and in
    ``OUT.json`` beside it.

    Raises:
        InputError: no run, an unknown format or setting, a missing library, a network that cannot be one graph, a
            difference larger than stated, a file that cannot be written.
    """
    out = Path(out)
    form = format_of(to, out)
    if wanted.precision == "int8" and to == "torch":
        raise InputError("precision int8 is of --to onnx and --to openvino; give one of these.")
    predictor = load(run if isinstance(run, LoadedRun) else load_run(run, "cpu"), scale=wanted.scale)
    loaded = predictor.network.run  # type: ignore[attr-defined]
    known = known_frames(loaded, wanted.frames, CALIBRATION if wanted.precision == "int8" else FRAMES)
    if wanted.precision == "int8" and not known.real:
        raise InputError(f"precision int8 measures ranges on real frames, and {known.origin}; give some with --frames.")
    with _checked_place(out, form) as temporary:
        facts = _facts(predictor, loaded, known, wanted)
        half, uint8 = wanted.precision == "fp16", wanted.input == "uint8"
        graph = Graph(loaded.method, facts.outputs, predictor.factor, uint8, half, facts.size).eval()
        pixels = batches([resized_to(frame.image, facts) for frame in known.frames], facts)
        write = form.convert(traced(graph, facts), facts, pixels if wanted.precision == "int8" else None)
        write(temporary, facts)
        reference = Graph(loaded.method, outputs_of(facts.tasks, True), predictor.factor, uint8, half).eval()
        facts = replace(facts, verified=_verified(temporary, reference, facts, known, pixels, wanted))
        write(temporary, facts)
    write_text(out.with_name(f"{out.name}.json"), facts.text() + "\n")
    return parse_json(facts.text(), out)


@contextlib.contextmanager
def _checked_place(out: Path, form: Format) -> Iterator[Path]:
    """A temporary file that takes the place of ``out`` (and of its .bin file) in the end, if all goes well."""
    if out.is_dir():
        raise InputError(f"{out} is a folder; give --out a file that ends in {form.suffix}.")
    with writing(out) as temporary:
        temporary.touch()  # a folder that cannot be written is told before the work
        if form.suffix != ".xml":
            yield temporary
            return
        with writing(out.with_suffix(".bin")) as weights:  # goes to its place first
            assert weights == temporary.with_suffix(".bin")
            yield temporary


def _facts(predictor: Predictor, run: LoadedRun, known: Known, wanted: Wanted) -> Facts:
    network, config = predictor.network, run.config
    options, space, depth = config.frames.options, network.label_space, "depth" in predictor.tasks
    factor, metric = predictor.factor, predictor.unit == "metres"
    scale = describe_scale(run.method) if wanted.scale is None or not metric else f"metres, {factor:g} a unit as given"
    camera = next((frame.camera for frame in known.frames if frame.camera is not None), None)
    return Facts(
        name=network.name, method=config.method, recipe=config.recipe or "", step=run.step, tasks=predictor.tasks,
        input=wanted.input, precision=wanted.precision, batch=wanted.at_once, size=_size(run, known, wanted.size),
        frames={name: getattr(options, name) for name in _FRAME_OPTIONS},
        outputs=outputs_of(predictor.tasks, wanted.logits), unit=predictor.unit,
        scale=scale if depth else "no depth",
        farthest=None if network.farthest is None or not depth else network.farthest * factor,
        camera=None if camera is None else dict(zip(("fx", "fy", "cx", "cy"), camera, strict=True)),
        label_space=None if space is None else space.text(), classes=() if space is None else tuple(space.classes),
        window=config.evaluate.window, overlap=config.evaluate.overlap, licence=LICENCE,
        vergence=vergence.__version__, weights=weights_digest(run),
    )  # fmt: skip


def _size(run: LoadedRun, known: Known, text: str | None) -> tuple[int, int] | None:
    """(H, W) of a file's pictures, None where it is free; InputError for one that networks cannot see."""
    if text == _ANY:
        return None
    if text is None:
        first = known.frames[0].image
        return network_size(run.config.frames.options, first.width, first.height)
    height, width = parse_size(str(text), "size", "any or ")
    if height % MULTIPLE or width % MULTIPLE:
        near = [max(2, round(side / MULTIPLE)) * MULTIPLE for side in (width, height)]
        raise InputError(
            f"size {text} is no multiple of {MULTIPLE} in both; networks halve pictures five times, so give such as "
            f"{near[0]}x{near[1]}."
        )
    return height, width


def _verified(
    path: Path, reference: Graph, facts: Facts, known: Known, pixels: Sequence[NDArray[Any]], wanted: Wanted
) -> dict[str, Any]:
    """What the comparison found; InputError where the difference is larger than stated."""
    differences = compared(path, reference, pixels)
    tolerance = TOLERANCE[facts.precision] if wanted.tolerance is None else wanted.tolerance
    worst = max(differences, key=lambda name: math.inf if math.isnan(differences[name]) else differences[name])
    if not differences[worst] <= tolerance:
        raise InputError(
            f"the file's {worst} differs from PyTorch's by {differences[worst]:.2g} of its largest value on "
            f"{known.origin}, more than {tolerance:g}; no file is written: try --precision fp32, or take it with "
            "--tolerance."
        )
    return {"on": known.origin, "frames": len(known.frames), "tolerance": tolerance, "largest_difference": differences}


def summary(record: dict[str, Any]) -> str:
    """What was written, in two lines."""
    facts = read_facts(json.dumps(record), Path("export"))
    size = "any size" if facts.size is None else f"{facts.size[1]}x{facts.size[0]}"
    many = "any number" if facts.batch is None else str(facts.batch)
    maps = [f"depth {facts.unit}"] if "depth" in facts.tasks else []
    maps += [f"{len(facts.classes)} classes"] if facts.classes else []
    verified = facts.verified
    worst = max(verified["largest_difference"], key=verified["largest_difference"].get)
    return (
        f"{', '.join(maps)}; {facts.input} pictures of {size}, {many} at once, {facts.precision}\n"
        f"largest difference to PyTorch {verified['largest_difference'][worst]:.2g} of the largest value ({worst}), "
        f"on {verified['frames']} {verified['on']}; stated {verified['tolerance']:g}"
    )
