"""What a graph is written as: ONNX, OpenVINO's two files, PyTorch's exported program."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from vergence.errors import InputError, first_line, nearest
from vergence.exporting.graph import dynamic_shapes
from vergence.exporting.quantise import quantised
from vergence.inference.exported_engines import SUFFIXES, library, quiet
from vergence.inference.exported_facts import KEY, Facts

Write = Callable[[Path, Facts], None]
"""Writes a file with what it says of itself; OpenVINO's weights go beside it."""
Pixels = Sequence[NDArray[Any]]
_MOST = 2**31 - 2**20
"""Bytes of one protobuf message, less what the facts need."""


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    suffix: str
    libraries: tuple[str, ...]
    """What writes and runs it, beside PyTorch."""
    convert: Callable[[ExportedProgram, Facts, Pixels | None], Write]
    """From a graph; with images, in 8 bits by what they show of its ranges."""


def onnx_model(program: ExportedProgram, facts: Facts) -> Any:
    """The graph as an ONNX model, without traces of where it was made; InputError where one file cannot hold it."""
    with quiet():
        shapes = dynamic_shapes(facts)
        exported = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=["images"], output_names=list(facts.outputs),
            dynamic_shapes={"images": shapes} if shapes else None,
        )  # fmt: skip
    assert exported is not None
    if (size := sum(_bytes(tensor) for tensor in program.state_dict.values())) > _MOST:
        raise InputError(
            f"the weights are {size / 1e9:.1f} GB and an ONNX file holds 2 GB; use --precision fp16 or --to torch."
        )
    model = exported.model_proto
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            del node.metadata_props[:]  # lines of our source, and folders of this machine
            node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    model.producer_name, model.producer_version = KEY, facts.vergence
    return model


def _onnx(program: ExportedProgram, facts: Facts, pixels: Pixels | None) -> Write:
    model = onnx_model(program, facts)
    return onnx_writer(model if pixels is None else quantised(model, pixels))


def onnx_writer(model: Any) -> Write:
    """Writes an ONNX model."""

    def write(path: Path, facts: Facts) -> None:
        del model.metadata_props[:]
        for key, value in _told(facts).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        path.write_bytes(model.SerializeToString())

    return write


def _told(facts: Facts) -> dict[str, str]:
    """The facts for programs, and the few that people look for in a viewer."""
    return {
        KEY: facts.text(), "classes": ", ".join(facts.classes), "unit": facts.unit, "scale": facts.scale,
        "licence": facts.licence,
    }  # fmt: skip


def _torch(program: ExportedProgram, facts: Facts, pixels: Pixels | None) -> Write:
    def write(path: Path, facts: Facts) -> None:
        content = io.BytesIO()  # of a disk that is full PyTorch says nothing that can be understood
        with quiet():
            torch.export.save(program, content, extra_files={f"{KEY}.json": facts.text()})
        path.write_bytes(content.getbuffer())

    return write


def _openvino(program: ExportedProgram, facts: Facts, pixels: Pixels | None) -> Write:
    model = onnx_model(program, facts)
    return openvino_writer(model if pixels is None else quantised(model, pixels))


def openvino_writer(model: Any) -> Write:
    """Writes what OpenVINO makes of an ONNX model: an .xml file and, beside it, a .bin file."""
    openvino = library("openvino", "export --to openvino")
    read = openvino.Core().read_model(model.SerializeToString())

    def write(path: Path, facts: Facts) -> None:
        for key, value in _told(facts).items():
            read.set_rt_info(value, key)
        try:
            openvino.save_model(read, str(path), compress_to_fp16=False)
        except RuntimeError as error:  # also of a disk that is full
            raise OSError(f"OpenVINO: {first_line(error)}") from error

    return write


FORMATS = {
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime"), _onnx),
    "torch": Format(".pt2", (), _torch),
    "openvino": Format(".xml", ("openvino", "onnx", "onnxscript"), _openvino),
}


def format_of(name: str, out: Path) -> Format:
    """A format by name.

    Raises:
        InputError: an unknown name, a file of another suffix, a library that is missing.
    """
    if name not in FORMATS:
        raise InputError(f"format {name!r} is unknown{nearest(name, list(FORMATS))}; use one of {', '.join(FORMATS)}.")
    chosen = FORMATS[name]
    if out.suffix.lower() != chosen.suffix:
        other = SUFFIXES.get(out.suffix.lower())
        hint = f", or --to {other}" if other else ""
        raise InputError(
            f"{out} does not end in {chosen.suffix}, as {name} files do; give --out NAME{chosen.suffix}{hint}."
        )
    for one in chosen.libraries:
        library(one, f"export --to {name}")
    return chosen


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
