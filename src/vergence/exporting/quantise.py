"""Eight bits: convolutions and products of an ONNX graph, their ranges measured on real frames."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vergence.errors import InputError, first_line
from vergence.inference.exported_engines import library, quiet

CALIBRATION = 32
"""Frames on which ranges are measured."""
_KINDS = ("Conv", "MatMul", "Gemm")


def quantised(model: Any, batches: Sequence[NDArray[Any]]) -> Any:
    """The model with weights, and what goes into them, in 8 bits, by ONNX Runtime's static quantisation.

    Each output channel has its own range. The last convolution before each output stays as it is: an error of depth or
    of logits there is an error of the answer. Weights have 7 bits, since 8 overflow on processors without VNNI.

    Args:
        model: ONNX, of 32 bits.
        batches: images as the model takes them.

    Raises:
        InputError: a library is missing, or the model cannot be quantised.
    """
    tools = library("onnxruntime.quantization", "export --precision int8")
    onnx = library("onnx", "export --precision int8")

    with tempfile.TemporaryDirectory() as folder, quiet():
        plain, prepared, smaller = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "smaller"))
        try:
            plain.write_bytes(model.SerializeToString())
            tools.shape_inference.quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
            whole = onnx.load(prepared)
            tools.quantize_static(
                str(prepared), str(smaller), _Reader(batches), quant_format=tools.QuantFormat.QDQ, per_channel=True,
                reduce_range=True, activation_type=tools.QuantType.QUInt8, weight_type=tools.QuantType.QInt8,
                op_types_to_quantize=list(_KINDS), nodes_to_exclude=last_layers(whole.graph),
            )  # fmt: skip
            return onnx.load(smaller)
        except Exception as error:  # of the library's own kinds
            raise InputError(
                f"the graph cannot be quantised ({first_line(error)}); use --precision fp16 or fp32."
            ) from error


class _Reader:
    """Hands out images, as the library's own readers do."""

    def __init__(self, batches: Sequence[NDArray[Any]]) -> None:
        self.left = iter([{"images": batch} for batch in batches])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self.left, None)


def last_layers(graph: Any) -> list[str]:
    """Names of the last nodes with weights before each output of a graph."""
    makers = {output: node for node in graph.node for output in node.output}
    layers, seen, waiting = set[str](), set[str](), [output.name for output in graph.output]
    while waiting:
        node = makers.get(name := waiting.pop())
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type in _KINDS:
            layers.add(node.name)
        else:
            waiting += [name for name in node.input if name]
    return sorted(layers)
