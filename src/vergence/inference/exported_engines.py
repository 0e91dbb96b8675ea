"""Exported files and the programs that run them: ONNX Runtime, OpenVINO, and PyTorch's own for exported programs."""

import contextlib
import io
import logging
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.data.structured import decoded, parse_json
from vergence.errors import InputError, first_line
from vergence.inference.exported_facts import KEY, REMEDY, Facts, read_facts

Run = Callable[[NDArray[Any]], dict[str, NDArray[Any]]]
"""Images (B, 3, H, W) to maps by name."""
SUFFIXES = {".onnx": "onnx", ".pt2": "torch", ".xml": "openvino"}
EXTRAS = {"onnxruntime": "export", "onnx": "export", "onnxscript": "export", "openvino": "openvino"}
_FACTS_IN_ARCHIVE = f"extra/{KEY}.json"
_METADATA, _KEY, _VALUE = 14, 1, 2
"""Numbers of fields in the ONNX format: the model's metadata_props, and key and value of one."""


def library(name: str, purpose: str) -> Any:
    """A library that is no part of a plain installation; InputError that says how to get it."""
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise InputError(
            f"{purpose} needs {package}, which is not installed; run pip install 'vergence[{EXTRAS[package]}]'."
        ) from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what exporters and PyTorch's loader tell their own developers."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def exported_file(model: Path | str) -> Path | None:
    """The file of a text that names one of ours: a path by its suffix, or "onnx:FILE"; None for all else.

    InputError for a .pt2 or .xml file that is missing or was not exported by Vergence; other ONNX files are depth
    models of others.
    """
    kind, colon, name = str(model).partition(":")
    onnx = bool(colon) and kind in ("onnx", "onnx-depth") and isinstance(model, str)
    path = Path(name if onnx else model).expanduser()
    if not onnx and (path.suffix.lower() not in SUFFIXES or path.is_dir()):
        return None
    if onnx or path.suffix.lower() == ".onnx":
        return path if path.is_file() and _onnx_facts(path) is not None else None
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the path of a run or of an exported file.")
    return path


def open_exported(path: Path, device: str = "cpu") -> tuple[Facts, Run]:
    """What a file says of itself, and the file ready to run.

    Args:
        device: "cpu" or "cuda[:n]", of ONNX Runtime (where it has CUDA) and PyTorch; OpenVINO runs on the CPU.

    Raises:
        InputError: a missing library, a file that is damaged, incomplete or not ours.
    """
    return {"onnx": _open_onnx, "torch": _open_torch, "openvino": _open_openvino}[SUFFIXES[path.suffix.lower()]](
        path, device
    )


# -- ONNX --------------------------------------------------------------------------------------------------------------


def _open_onnx(path: Path, device: str) -> tuple[Facts, Run]:
    runtime = library("onnxruntime", str(path))
    text = _onnx_facts(path)
    if text is None:
        raise InputError(f"{path} was not exported by Vergence; {REMEDY}.")
    facts = read_facts(text, path)
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    providers = [name for name in wanted if name in runtime.get_available_providers()] + ["CPUExecutionProvider"]
    options = runtime.SessionOptions()
    runtime.set_default_logger_severity(4)  # what goes wrong is raised, too
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()  # as many as what is beside it
    try:
        session = runtime.InferenceSession(str(path), options, providers=providers)
        given, names = session.get_inputs()[0].name, [entry.name for entry in session.get_outputs()]
    except Exception as error:  # the library's own types of errors derive from Exception only
        raise _damaged(path, error) from error

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return dict(zip(names, session.run(None, {given: images}), strict=True))

    return facts, _guarded(path, facts, run)


def _onnx_facts(path: Path) -> str | None:
    """Our entry of an ONNX file's metadata, without reading its graph; None where there is none, or no ONNX."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            while file.tell() < size:
                number, content = _field(file, size)
                if number == _METADATA and content is not None:
                    entry = _entry(content)
                    if entry.get(_KEY) == KEY.encode():
                        return entry.get(_VALUE, b"").decode("utf-8", errors="replace")
    except (OSError, ValueError):
        pass
    return None


def _field(file: BinaryIO, size: int) -> tuple[int, bytes | None]:
    """Number and content of the next field of a protobuf message; content is read of metadata only, else passed by."""
    number, wire = divmod(_varint(file), 8)
    if wire == 0:
        _varint(file)
        return number, None
    if wire in (1, 5):
        file.seek(8 if wire == 1 else 4, os.SEEK_CUR)
        return number, None
    length = _varint(file)
    if wire != 2 or file.tell() + length > size:
        raise ValueError("no protobuf")
    if number == _METADATA:
        return number, file.read(length)
    file.seek(length, os.SEEK_CUR)
    return number, None


def _entry(content: bytes) -> dict[int, bytes]:
    """Fields of a small message that are texts."""
    fields, file = {}, io.BytesIO(content)
    while file.tell() < len(content):
        number, wire = divmod(_varint(file), 8)
        if wire != 2:
            raise ValueError("no text")
        fields[number] = file.read(_varint(file))
    return fields


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("cut off")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("no number")


# -- PyTorch -----------------------------------------------------------------------------------------------------------


def _open_torch(path: Path, device: str) -> tuple[Facts, Run]:
    facts = _archive_facts(path)
    try:
        with quiet():
            program = torch.export.load(path)
            if device != "cpu":
                from torch.export.passes import move_to_device_pass

                program = move_to_device_pass(program, device)
        graph = program.module()
    except Exception as error:  # of any part of the archive
        raise _damaged(path, error) from error

    @torch.no_grad()
    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        outputs = graph(torch.from_numpy(images).to(device))
        return {name: one.cpu().numpy() for name, one in zip(facts.outputs, outputs, strict=True)}

    return facts, _guarded(path, facts, run)


def _archive_facts(path: Path) -> Facts:
    """The facts of an exported program; InputError where loading would unpickle objects, or it is not ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            facts = next((name for name in names if name.endswith(_FACTS_IN_ARCHIVE)), None)
            if facts is None:
                raise InputError(f"{path} was not exported by Vergence; {REMEDY}.")
            text = archive.read(facts).decode("utf-8")
            _refuse_pickles(archive, names, path)
    except InputError:
        raise
    except Exception as error:  # of a hostile archive, errors of many kinds
        raise _damaged(path, error) from error
    return read_facts(text, path)


def _refuse_pickles(archive: zipfile.ZipFile, names: list[str], path: Path) -> None:
    """InputError where PyTorch would run what the archive says: objects that are no tensors."""
    for name in names:
        if name.endswith("_config.json"):
            entries = parse_json(decoded(archive.read(name), path), path).get("config", {}).values()
            odd = any(entry.get("use_pickle") or "obj" in entry.get("path_name", "") for entry in entries)
        elif "/sample_inputs/" in name:
            torch.load(io.BytesIO(archive.read(name)), weights_only=True)  # raises for what is no tensor
            odd = False
        else:
            odd = "custom_obj_" in name or "opaque_obj_" in name or name.endswith((".so", ".pyc"))
        if odd:
            raise InputError(f"{path} holds objects that would have to be unpickled ({name}); {REMEDY}.")


# -- OpenVINO ----------------------------------------------------------------------------------------------------------


def _open_openvino(path: Path, device: str) -> tuple[Facts, Run]:
    openvino = library("openvino", str(path))
    if not path.with_suffix(".bin").is_file():
        raise InputError(
            f"{path} has no {path.with_suffix('.bin').name} beside it, which holds its weights; copy both."
        )
    try:
        core = openvino.Core()
        model = core.read_model(path)
        text = str(model.get_rt_info(KEY).value) if model.has_rt_info(KEY) else None
    except Exception as error:  # the library's own types of errors derive from Exception only
        raise _damaged(path, error) from error
    if text is None:
        raise InputError(f"{path} was not exported by Vergence; {REMEDY}.")
    facts = read_facts(text, path)
    try:
        # the processor's own choice may be 16 bits, whatever the file says; threads are as many as what is beside it
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        compiled = core.compile_model(model, "CPU", settings)
    except Exception as error:
        raise _damaged(path, error) from error

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        outputs = compiled(images)
        return {name: np.array(outputs[number]) for number, name in enumerate(facts.outputs)}

    return facts, _guarded(path, facts, run)


def _guarded(path: Path, facts: Facts, run: Run) -> Run:
    """The same, its errors in one sentence, and its maps those that the file says it gives."""

    def guarded(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        try:
            maps = run(images)
        except Exception as error:
            raise InputError(
                f"{path} cannot run on images of {images.shape[3]}x{images.shape[2]}, {len(images)} at once "
                f"({first_line(error)}); {REMEDY}."
            ) from error
        for name in facts.outputs:
            _check_map(path, name, maps.get(name), facts.shape(name, images.shape), len(facts.classes))
        return maps

    return guarded


def _check_map(path: Path, name: str, values: NDArray[Any] | None, shape: tuple[int, ...], classes: int) -> None:
    """InputError where a map is not as :data:`~vergence.inference.exported_facts.OUTPUTS` says."""
    if values is None:
        wrong = "is not there"
    elif values.shape != shape or values.dtype != (np.uint8 if name == "classes" else np.float32):
        wrong = f"is {values.dtype} {values.shape}"
    elif name == "classes" and values.max(initial=0) >= classes:
        wrong = f"holds class {values.max()} of {classes}"
    elif np.isnan(values).any() if name == "depth" else not np.isfinite(values).all():  # far is infinite
        wrong = "is not finite"
    else:
        return
    raise InputError(f"{path} says that it gives {name} {shape}, and its map {wrong}; {REMEDY}.")


def _damaged(path: Path, error: Exception) -> InputError:
    logging.getLogger("vergence").debug("%s", error)
    return InputError(f"{path} cannot be opened ({first_line(error)}); {REMEDY}, or copy all of its files.")
