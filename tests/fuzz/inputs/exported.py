"""``export`` with settings that make no sense, and exported files, which anybody may hand on, as models to predict with."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.damage import BYTES, JSON_TEXTS, NOT_FILES, Rng, flipped, moved, not_a_file, spoiled, write
from tests.fuzz.harness import EITHER, REFUSED, Case
from tests.fuzz.inputs.runs import Opens
from vergence.inference.exported_facts import KEY

NEEDS = ("frames", "depth_run", "seg_run", "manifest.csv", "depth")
EXPORT = ("export", "depth_run", "--to", "onnx", "--out", "out.onnx")
FILES = {"onnx": ("depth.onnx",), "pt2": ("depth.pt2",), "xml": ("depth.xml", "depth.bin")}
"""Kind of file -> what the world has of it."""
Edit = Callable[[Path, Rng], None]
Facts = dict[str, Any]

LINES: dict[str, tuple[str, ...]] = {
    "to": ("--to", "tflite"), "to_empty": ("--to", ""), "out_suffix": ("--out", "out.txt"), "out_none": ("--out", "out"),
    "out_folder": ("--out", "frames"), "out_deep": ("--out", "/dev/null/out.onnx"), "out_long": ("--out", "x" * 300 + ".onnx"),
    "out_input": ("--out", "depth_run/recipe.yaml"), "int8_torch": ("--to", "torch", "--out", "out.pt2", "--precision", "int8"),
    "size_0": ("--size", "0x0"), "size_odd": ("--size", "100x50"), "size_less": ("--size", "-64x-32"), "size_word": ("--size", "large"),
    "size_huge": ("--size", "9999999968x9999999968"), "size_nan": ("--size", "nanxnan"),
    "batch_0": ("--batch", "0"), "batch_less": ("--batch", "-1"), "batch_half": ("--batch", "1.5"), "batch_huge": ("--batch", "9" * 30),
    "batch_word": ("--batch", "many"), "input": ("--input", "int4"), "precision": ("--precision", "fp4"), "logits": ("--logits", "perhaps"),
    "scale_nan": ("--scale", "nan"), "scale_inf": ("--scale", "inf"), "scale_0": ("--scale", "0"), "scale_less": ("--scale", "-2"),
    "scale_word": ("--scale", "large"), "scale_truth": ("--scale", "truth"), "frames_nowhere": ("--frames", "nowhere"),
    "frames_run": ("--frames", "depth_run"), "frames_device": ("--frames", "/dev/zero"), "tolerance_0": ("--tolerance", "0"),
    "tolerance_nan": ("--tolerance", "nan"), "tolerance_less": ("--tolerance", "-1"), "tolerance_tiny": ("--tolerance", "1e-30"),
    "checkpoint": ("--checkpoint", "worst"), "checkpoint_none": ("--checkpoint", "99"), "unknown": ("--simplify", "true"),
}  # fmt: skip
"""Words after those of a sound call, of which the last one counts."""
QUICK = ("size_huge", "batch_half", "scale_nan", "out_input")
ODD: dict[str, object] = {
    "format_2": {"format": 2}, "format_text": {"format": "1"}, "size_0": {"size": {"height": 0, "width": 0}},
    "size_huge": {"size": {"height": 10**9, "width": 10**9}}, "size_less": {"size": {"height": -64, "width": -96}},
    "size_other": {"size": {"height": 32, "width": 32}}, "size_list": {"size": [64, 96]}, "batch_0": {"batch": 0},
    "batch_huge": {"batch": 10**9}, "batch_two": {"batch": 2}, "outputs_none": {"outputs": {}}, "outputs_other": {"outputs": ["classes"]},
    "outputs_twice": {"outputs": ["depth", "depth"]}, "outputs_one": {"outputs": ["inverse_depth"]}, "input": {"input": "float"},
    "tasks_none": {"tasks": []}, "tasks_other": {"tasks": ["magic"]}, "tasks_both": {"tasks": ["depth", "segmentation"]},
    "farthest_0": {"farthest": 0}, "farthest_text": {"farthest": "far"}, "unit": {"unit": "miles"}, "camera_text": {"camera": "wide"},
    "camera_nan": {"camera": {"fx": "nan"}}, "frames_none": {"frames": {}}, "frames_more": {"frames": {"nobody": 1}},
    "frames_huge": {"frames": {"height": 10**9, "width": 10**9}}, "space": {"label_space": "nobody"}, "overlap": {"overlap": "half"},
    "name_escape": {"name": "\x1b[31m" + "x" * 5000}, "scale_list": {"scale": [1]}, "verified": {"verified": 5},
    "step": {"step": 1e300}, "classes": {"classes": 5},
}  # fmt: skip
"""What a file says of itself, changed."""


def predicting(kind: str, name: str, edit: Edit, expect: str = REFUSED, quick: bool = False) -> Case:
    argv = ("predict", f"depth.{kind}", "frames", "--limit", "2", "--out", "out", "--device", "cpu")
    return Case(f"exported/{kind}/{name}", argv, edit, expect, ("frames", *FILES[kind]), quick=quick)


def _edited(name: str, change: Callable[[bytes, Rng], bytes]) -> Edit:
    return lambda folder, rng: write(folder / name, change((folder / name).read_bytes(), rng))


def of_onnx(change: Callable[[Any], None]) -> Edit:
    """The graph, or what stands beside it, is another."""

    def edit(folder: Path, rng: Rng) -> None:
        import onnx

        model = onnx.load_model_from_string((folder / "depth.onnx").read_bytes())
        change(model)
        write(folder / "depth.onnx", model.SerializeToString())

    return edit


def of_facts(change: Callable[[str, Rng], str]) -> Edit:
    def edit(folder: Path, rng: Rng) -> None:
        def said(model: Any) -> None:
            entry = next(entry for entry in model.metadata_props if entry.key == KEY)
            entry.value = change(entry.value, rng)

        of_onnx(said)(folder, rng)

    return edit


def _elsewhere(location: str, length: str = "") -> Callable[[Any], None]:
    """A weight lies in another file, of any place."""

    def change(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        for key, value in (("location", location), ("length", length)):
            if value:
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value

    return change


def _dims(*sides: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(sides)

    return change


def _first(**fields: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for name, value in fields.items():
            setattr(model.graph.node[0], name, value)

    return change


def _filled(byte: bytes) -> Callable[[Any], None]:
    """All weights are one nonsense: bytes of -nan."""

    def change(model: Any) -> None:
        for tensor in model.graph.initializer:
            if tensor.data_type == 1 and tensor.raw_data:
                tensor.raw_data = byte * len(tensor.raw_data)

    return change


def _loop(model: Any) -> None:
    node = model.graph.node[-1]
    model.graph.node[0].input[0] = node.output[0]


def _wider(model: Any) -> None:
    """What comes out has another shape than the file says."""
    import onnx

    name = model.graph.output[0].name
    for node in model.graph.node:
        for place, output in enumerate(node.output):
            if output == name:
                node.output[place] = "before"
        for place, taken in enumerate(node.input):
            if taken == name:
                node.input[place] = "before"
    model.graph.node.append(onnx.helper.make_node("Shape", ["before"], ["shape"]))
    model.graph.node.append(onnx.helper.make_node("Cast", ["shape"], [name], to=1))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 4


GRAPHS: dict[str, Callable[[Any], None]] = {
    "passwd": _elsewhere("/etc/passwd"), "above": _elsewhere("../../../../../etc/passwd"), "device": _elsewhere("/dev/zero", "8"),
    "pipe": _elsewhere("pipe"), "huge_length": _elsewhere("depth.onnx", str(2**62)), "huge_weight": _dims(2**31, 2**31),
    "weight_less": _dims(-1), "weight_none": _dims(0), "kind": _first(op_type="Nobody"), "domain": _first(domain="com.nobody"),
    "loop": _loop, "nan": _filled(b"\xff"), "no_graph": lambda model: model.ClearField("graph"), "shape": _wider,
    "no_output": lambda model: model.graph.ClearField("output"), "no_input": lambda model: model.graph.ClearField("input"),
    "version": lambda model: setattr(model, "ir_version", 10**6), "opset": lambda model: setattr(model.opset_import[0], "version", 10**6),
    "fewer_outputs": lambda model: model.graph.output.pop() and None, "names": lambda model: setattr(model.graph.output[0], "name", "nobody"),
    "nodes_none": lambda model: model.graph.ClearField("node"),
    "not_ours": lambda model: model.ClearField("metadata_props"),
}  # fmt: skip


def onnx_files() -> list[Case]:
    found = [predicting("onnx", f"bytes/{name}", _edited("depth.onnx", way)) for name, way in BYTES.items()]
    found += [predicting("onnx", f"graph/{name}", of_onnx(change)) for name, change in GRAPHS.items()]
    for name, text in JSON_TEXTS.items():
        said = text if isinstance(text, str) else text.decode("latin-1")
        found.append(predicting("onnx", f"facts/{name}", of_facts(lambda old, rng, said=said: said)))  # type: ignore[misc]
    for name, changes in ODD.items():

        def change(old: str, rng: Rng, changes: Any = changes) -> str:
            return json.dumps(json.loads(old) | changes)

        found.append(predicting("onnx", f"odd/{name}", of_facts(change), EITHER))
    for number in range(8):
        found.append(
            predicting(
                "onnx",
                f"spoiled_{number}",
                of_facts(lambda old, rng: json.dumps(spoiled(json.loads(old), rng))),
                EITHER,
            )
        )
        found.append(
            predicting(
                "onnx", f"flips_{number}", _edited("depth.onnx", lambda data, rng: flipped(data, rng, 3)), EITHER
            )
        )
    found += [predicting("onnx", f"moved_{number}", _edited("depth.onnx", moved), EITHER) for number in range(3)]
    found += [
        predicting("onnx", what, lambda folder, rng, what=what: not_a_file(folder / "depth.onnx", what))
        for what in NOT_FILES
    ]  # type: ignore[misc]
    return found


def of_archive(change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> Edit:
    """Members of an exported program are others."""

    def edit(folder: Path, rng: Rng) -> None:
        with zipfile.ZipFile(folder / "depth.pt2") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        write(folder / "depth.pt2", file.getvalue())

    return edit


def _each(end: str, content: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        wanted = [name for name in members if name.endswith(end) or end in name]
        assert wanted, f"no {end} among {list(members)}"
        for name in wanted:
            members[name] = content(members[name])

    return change


def _added(name: str, content: bytes) -> Callable[[dict[str, bytes]], None]:
    """A member beside the others, below the archive's own folder."""
    return lambda members: members.update({f"{next(iter(members)).partition('/')[0]}/{name}": content})


def _pickled(content: bytes) -> bytes:
    """The settings of weights say that these have to be unpickled."""
    said = json.loads(content)
    for entry in said.get("config", {}).values():
        entry["use_pickle"] = True
    return json.dumps(said).encode()


def _graph(change: Callable[[str], str]) -> Callable[[dict[str, bytes]], None]:
    return _each("models/model.json", lambda content: change(content.decode()).encode())


MEMBERS: dict[str, Callable[[dict[str, bytes]], None]] = {
    "no_facts": lambda members: [members.pop(name) for name in list(members) if name.endswith(f"{KEY}.json")] and None,
    "pickled_weights": _each("_config.json", _pickled), "hostile_sample": _each("sample_inputs/", lambda content: pickle.dumps(Opens())),
    "custom_object": _added("data/constants/custom_obj_0", pickle.dumps(Opens())), "library": _added("data/aotinductor/model/a.so", b"\x7fELF"),
    "above": lambda members: members.update({"../../evil": b"x"}), "root": lambda members: members.update({"/evil": b"x"}),
    "bomb": _added("data/weights/bomb", bytes(1 << 26)), "no_weights": lambda members: [members.pop(name) for name in list(members) if "/weights/" in name] and None,
    "weights_short": _each("data/weights/weight_0", lambda content: content[:3]), "weights_nan": _each("data/weights/weight_", lambda content: b"\xff" * len(content)),
    "graph_empty": _graph(lambda text: ""), "graph_null": _graph(lambda text: "null"), "graph_deep": _graph(lambda text: "[" * 100_000),
    "graph_system": _graph(lambda text: text.replace("torch.ops.aten.convolution.default", "os.system").replace("torch.ops.aten.conv2d.default", "os.system")),
    "graph_eval": _graph(lambda text: text.replace("torch.ops.aten.conv2d.default", "builtins.eval")),
    "expression": _graph(lambda text: text.replace('"expr_str": "', '"expr_str": "__import__(\'os\').system(\'id\') or ')),
    "version": _each("archive_version", lambda content: b"999"), "format": _each("archive_format", lambda content: b"pickle"),
    "facts_list": _each(f"{KEY}.json", lambda content: b"[]"), "facts_deep": _each(f"{KEY}.json", lambda content: b"[" * 100_000),
}  # fmt: skip


def programs() -> list[Case]:
    found = [predicting("pt2", f"bytes/{name}", _edited("depth.pt2", way)) for name, way in BYTES.items()]
    packed = {"bomb": zipfile.ZIP_DEFLATED}
    for name, change in MEMBERS.items():
        expect = (
            EITHER
            if name in ("expression", "graph_system", "graph_eval", "version", "format", "bomb", "above", "root")
            else REFUSED
        )
        found.append(
            predicting("pt2", f"members/{name}", of_archive(change, packed.get(name, zipfile.ZIP_STORED)), expect)
        )
    for number in range(5):
        found.append(
            predicting("pt2", f"flips_{number}", _edited("depth.pt2", lambda data, rng: flipped(data, rng, 3)), EITHER)
        )
    return found


XML: dict[str, Callable[[str], str]] = {
    "entities": lambda text: '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + text,
    "external": lambda text: '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + text.replace('value="1"', 'value="&x;"', 1),
    "deep": lambda text: "<a>" * 20_000 + "</a>" * 20_000, "no_layers": lambda text: text.replace("layer", "player"),
    "offset": lambda text: text.replace('offset="0"', 'offset="99999999999"'), "less": lambda text: text.replace('offset="0"', 'offset="-8"'),
    "size": lambda text: text.replace('size="', 'size="9'), "shape": lambda text: text.replace("<dim>3</dim>", "<dim>99999999</dim>"),
    "kind": lambda text: text.replace('type="Convolution"', 'type="Nobody"'), "no_facts": lambda text: text.replace(f"<{KEY}", "<nobody").replace(f"</{KEY}", "</nobody"),
    "version": lambda text: text.replace('version="11"', 'version="999"'),
}  # fmt: skip


def openvino_files() -> list[Case]:
    found = [
        predicting(
            "xml",
            f"{name.rpartition('.')[2]}/{way}",
            _edited(name, BYTES[way]),
            EITHER if name.endswith("bin") else REFUSED,
        )
        for name in FILES["xml"]
        for way in ("empty", "half", "random", "text", "ff")
    ]
    for name, change in XML.items():
        edit = _edited("depth.xml", lambda data, rng, change=change: change(data.decode()).encode())  # type: ignore[misc]
        found.append(
            predicting(
                "xml", f"text/{name}", edit, EITHER if name in ("version", "entities", "external", "shape") else REFUSED
            )
        )
    found.append(predicting("xml", "no_bin", lambda folder, rng: (folder / "depth.bin").unlink()))
    return found


def exporting() -> list[Case]:
    found = []
    for name, words in LINES.items():
        argv = (*EXPORT, *words)
        found.append(Case(f"export/lines/{name}", argv, lambda folder, rng: None, REFUSED, NEEDS, quick=name in QUICK))
    return found


def cases() -> list[Case]:
    return [*exporting(), *onnx_files(), *programs(), *openvino_files()]
