"""Run folders that were edited by hand, weights of strangers, recipes."""

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.fuzz.damage import BYTES, JSON_TEXTS, NOT_FILES, Rng, flipped, not_a_file, places, spoil_json, write
from tests.fuzz.harness import EITHER, REFUSED, Case

STEP = "depth_run/checkpoints/step-00000001"
DATA = ("frames", "labels", "depth", "manifest.csv")
NEEDS = (*DATA, "depth_run", "depth.yaml")
WRITES = ("out", "out/*", "out.*", "depth_run/report.html", "depth_run/evaluation*", "depth_run/metrics.jsonl")
RESUMED = (*WRITES, "depth_run/checkpoints*", "depth_run/recipe.yaml", "depth_run/README.md")
VERBS = {
    "evaluate": ("evaluate", "depth_run", "--data", "manifest.csv"),
    "predict": ("predict", "depth_run", "frames", "--out", "out"),
    "report": ("report", "depth_run"),
    "resume": ("train", "--resume", "depth_run", "--train.steps", "2"),
}
Edit = Callable[[Path, Rng], None]


class Opens:
    """What a hostile pickle does when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("id > canary",)


def header(text: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + body


TENSORS: dict[str, bytes] = {
    "huge_header": struct.pack("<Q", 2**62) + b"{}",
    "header_beyond": struct.pack("<Q", 10**6) + b"{}",
    "no_json": header(b"{garbage"),
    "outside": header(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,1600000]}}'),
    "backwards": header(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}', bytes(16)),
    "negative_shape": header(b'{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}', bytes(16)),
    "huge_shape": header(b'{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,16]}}', bytes(16)),
    "unknown_type": header(b'{"a":{"dtype":"F7","shape":[4],"data_offsets":[0,16]}}', bytes(16)),
    "overlap": header(
        b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
        bytes(16),
    ),
    "no_tensors": header(b"{}"),
    "pickle": pickle.dumps(Opens()),
}


def weights(change: Callable[[dict[str, torch.Tensor]], None], name: str = "model") -> Edit:
    """An edit of the tensors of a checkpoint."""

    def edit(folder: Path, rng: Rng) -> None:
        path = folder / STEP / f"{name}.safetensors"
        state = {key: value.clone() for key, value in load_file(path).items()}
        change(state)
        path.unlink()
        save_file(state, path)

    return edit


def _first(state: dict[str, torch.Tensor]) -> str:
    return next(name for name in sorted(state) if state[name].ndim == 4)


def _fill(value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    return lambda state: state.update({_first(state): torch.full_like(state[_first(state)], value)})


WEIGHTS: dict[str, Callable[[dict[str, torch.Tensor]], None]] = {
    "nan": _fill(float("nan")),
    "inf": _fill(float("inf")),
    "missing": lambda state: state.pop(_first(state)),  # type: ignore[return-value]
    "all_missing": dict.clear,
    "shape": lambda state: state.update({_first(state): torch.zeros(1, 2, 3, 4)}),
    "kind": lambda state: state.update({_first(state): torch.zeros_like(state[_first(state)], dtype=torch.complex64)}),
    "more": lambda state: state.update({"nobody.knows": torch.zeros(3)}),
}
"""Changes of weights; "more" alone could be harmless."""


def replaced(name: str, content: bytes | str) -> Edit:
    return lambda folder, rng: write(folder / name, content)


def edits() -> dict[str, tuple[Edit, str, tuple[str, ...]]]:
    """Name -> edit, what must become of it, by which verbs."""
    reading = ("evaluate", "predict", "resume")
    found: dict[str, tuple[Edit, str, tuple[str, ...]]] = {}
    for name, content in TENSORS.items():
        found[f"tensors/{name}"] = (replaced(f"{STEP}/model.safetensors", content), REFUSED, reading)
        found[f"state/{name}"] = (replaced(f"{STEP}/state.safetensors", content), REFUSED, ("resume",))
    for name, change in WEIGHTS.items():
        expect = EITHER if name == "more" else REFUSED
        found[f"weights/{name}"] = (weights(change), expect, ("evaluate", "predict"))
        found[f"weights_state/{name}"] = (weights(change, "state"), EITHER, ("resume",))
    for file in ("config.json", "state.json"):
        verbs = reading if file == "config.json" else ("resume",)
        for name, text in JSON_TEXTS.items():
            found[f"{file}/{name}"] = (replaced(f"{STEP}/{file}", text), REFUSED, verbs)
        for number in range(40 if file == "config.json" else 25):
            edit: Edit = lambda folder, rng, file=file: spoil_json(folder / STEP / file, rng)  # type: ignore[misc]
            found[f"{file}/spoiled_{number}"] = (edit, EITHER, verbs[number % len(verbs)][:99].split())  # type: ignore[assignment]
    for name, text in {
        "nothing": "", "above": "../../../frames\n", "root": "/etc\n", "other": "step-00000099\n", "bytes": b"\xff\xfe\0",
        "long": "step-" + "9" * 5000, "zero": "step-0000\0001", "lines": "step-00000001\n" * 10000, "word": "newest",
    }.items():  # fmt: skip
        found[f"LATEST/{name}"] = (replaced("depth_run/checkpoints/LATEST", text), EITHER, reading)
    for name, text in RECIPES.items():
        found[f"recipe/{name}"] = (replaced("depth_run/recipe.yaml", text), EITHER, ("report", "evaluate"))
        found[f"resumed/{name}"] = (replaced("depth_run/recipe.yaml", text), REFUSED, ("resume",))
    for name, text in LOGS.items():
        found[f"log/{name}"] = (replaced("depth_run/metrics.jsonl", text), EITHER, ("report", "resume"))
    for number in range(40):
        found[f"log/spoiled_{number}"] = (_spoil_log, EITHER, ("report",))
    for name, text in JSON_TEXTS.items():
        found[f"evaluation/{name}"] = (replaced("depth_run/evaluation/plain.json", text), EITHER, ("report",))
    for number in range(60):
        found[f"evaluation/spoiled_{number}"] = (_spoil_evaluation, EITHER, ("report",))
    for what in NOT_FILES:
        for file in (
            f"{STEP}/model.safetensors",
            f"{STEP}/config.json",
            "depth_run/recipe.yaml",
            "depth_run/metrics.jsonl",
        ):
            edit = lambda folder, rng, file=file, what=what: not_a_file(folder / file, what)  # type: ignore[misc]
            found[f"{what}/{Path(file).name}"] = (edit, EITHER, ("evaluate", "report", "resume"))
    return found


def _spoil_log(folder: Path, rng: Rng) -> None:
    path = folder / "depth_run/metrics.jsonl"
    lines = path.read_text().splitlines()
    for _ in range(3):
        number = int(rng.integers(len(lines)))
        value = json.loads(lines[number])
        keys = places(value)
        if keys:
            from tests.fuzz.damage import spoiled

            lines[number] = json.dumps(spoiled(value, rng))
    write(path, "\n".join(lines) + "\n")


def _spoil_evaluation(folder: Path, rng: Rng) -> None:
    path = sorted((folder / "depth_run/evaluation").glob("*.json"))[0]
    spoil_json(path, rng, 2)


LOGS: dict[str, bytes | str] = {
    "nothing": "", "bytes": b"\xff" * 1000, "numbers": "1\n2\n", "lists": "[1]\n" * 5, "no_step": '{"kind": "train"}\n',
    "step_text": '{"kind": "train", "step": "x", "loss": 1}\n', "loss_text": '{"kind": "train", "step": 1, "loss": "x"}\n',
    "loss_list": '{"kind": "train", "step": 1, "loss": [1]}\n', "kind_list": '{"kind": [], "step": 1}\n',
    "step_list": '{"kind": "train", "step": [1], "loss": 1}\n', "loss_inf": '{"kind": "train", "step": 1, "loss": 1e999}\n',
    "step_huge": '{"kind": "train", "step": 1e300, "loss": 1}\n{"kind": "train", "step": 2, "loss": 1}\n',
    "deep": "{" + '"a":{' * 5000 + "\n", "long": '{"a": "' + "x" * 10**6 + '"}\n', "markup": '{"kind": "event", "event": "warning", "level": "warning", "message": "<script>alert(1)</script>"}\n',
    "escape": '{"kind": "event", "event": "warning", "level": "warning", "message": "\\u001b[31m"}\n',
    "time": '{"kind": "train", "step": 1, "loss": 1, "time": 5}\n', "evaluate": '{"kind": "evaluate", "step": 1, "depth": 5, "segmentation": "x"}\n',
}  # fmt: skip
RECIPES: dict[str, bytes | str] = {
    "list": "[1, 2]", "number": "5", "bytes": b"\xff\xfe\xfa", "open": "train: {steps: 1", "tabs": "train:\n\tsteps: 1\n",
    "object": "!!python/object/apply:os.system ['id > canary']", "new": "!!python/name:os.system", "deep": "[" * 20000,
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
    "itself": "a: &a [*a]", "merge": "a: &a {b: 1}\n<<: [*a, *a]\ntrain: 5", "double": "train: {steps: 1}\ntrain: {steps: 2}",
    "unknown": "nobody: {knows: 1}", "method": "method: [1]", "method_unknown": "method: magic", "steps": "train: {steps: many}",
    "nan": "optim: {lr: .nan}", "inf": "optim: {lr: .inf}", "extends_itself": "extends: recipe.yaml", "extends_list": "extends: [a, b]",
    "extends_above": "extends: ../../../../../../etc/passwd", "extends_number": "extends: 5", "keys": "{1: 2, [a]: 3}", "null_key": "~: 1",
    "documents": "a: 1\n---\nb: 2\n", "date": "train: {steps: 2020-01-01}", "binary": "train: {steps: !!binary aGVsbG8=}", "set": "train: !!set {steps}",
    "octal": "train: {steps: 0o17777777777777777777777777}", "sections": "train: 5\nframes: x\noptim: []", "zero": "train: {steps: 1}\0",
    "colons": ": : :", "anchor": "*nobody", "percent": "%TAG ! x\n---\n!a b", "huge": "# " + "x" * (2 << 20), "merged": "<<: 5\ntrain: {steps: 1}",
}  # fmt: skip


def cases() -> list[Case]:
    found = []
    for name, (edit, expect, verbs) in edits().items():
        for verb in verbs:
            if verb not in VERBS:
                continue
            writes = RESUMED if verb == "resume" else WRITES
            quick = name in (
                "tensors/huge_header",
                "tensors/pickle",
                "log/loss_text",
                "weights/nan",
                "config.json/deep",
            )
            found.append(
                Case(f"runs/{verb}/{name}", VERBS[verb], edit, expect, NEEDS, writes, quick and verb != "resume")
            )
    for name, text in RECIPES.items():
        argv = ("train", "mine.yaml", "--out", "out", "--data", "manifest.csv")
        odd = name in ("merge", "huge")
        found.append(
            Case(f"recipes/{name}", argv, replaced("mine.yaml", text), EITHER if odd else REFUSED, NEEDS, quick=True)
        )
    return [*found, *converted()]


def converted() -> list[Case]:
    """Weights of strangers, for ``convert`` and as first weights."""
    found = []
    files = ("encoder.pth", "depth.pth", "pose_encoder.pth", "pose.pth")

    def laid(content: Callable[[Rng], bytes]) -> Edit:
        def edit(folder: Path, rng: Rng) -> None:
            for file in files:
                write(folder / "theirs" / file, content(rng))

        return edit

    def saved(value: object) -> Callable[[Rng], bytes]:
        def content(rng: Rng) -> bytes:
            import io

            file = io.BytesIO()
            torch.save(value, file)
            return file.getvalue()

        return content

    contents: dict[str, Callable[[Rng], bytes]] = {
        "hostile": saved({"a": Opens()}), "hostile_plain": lambda rng: pickle.dumps(Opens()), "number": saved(5),
        "list": saved([torch.zeros(3)]), "nothing": saved({}), "nested": saved({"state_dict": {"a": {"b": torch.zeros(3)}}}),
        "names": saved({"a": torch.zeros(3)}), "nan": saved({"encoder.conv1.weight": torch.full((64, 3, 7, 7), float("nan"))}),
        "keys": saved({5: torch.zeros(3)}), "sparse": saved({"a": torch.zeros(3).to_sparse()}), "model": saved(torch.zeros(3)),
        "flipped": lambda rng: flipped(saved({"a": torch.zeros(300)})(rng), rng), "height": saved({"height": -5, "width": "x", "encoder.conv1.weight": torch.zeros(64, 3, 7, 7)}),
        **{name: (lambda rng, way=way: way(saved({"a": torch.zeros(300)})(rng), rng)) for name, way in BYTES.items()},
    }  # fmt: skip
    for name, content in contents.items():
        argv = ("convert", "theirs", "--from", "monodepth2", "--out", "out")
        found.append(Case(f"weights/convert/{name}", argv, laid(content), REFUSED, quick=name == "hostile"))
        for family in ("three_ways", "corda"):
            argv = ("convert", "theirs/encoder.pth", "--from", family, "--out", "out")
            found.append(Case(f"weights/{family}/{name}", argv, laid(content), REFUSED))
        for key in ("depth.initialize_from", "network.weights"):
            argv = ("train", "depth.yaml", "--out", "out", "--data", "manifest.csv", f"--{key}", "theirs/depth.pth")
            found.append(Case(f"weights/{key}/{name}", argv, laid(content), REFUSED, NEEDS))
    return found
