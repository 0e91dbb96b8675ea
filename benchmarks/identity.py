"""Does a change of structure keep the numbers? Twenty seeded steps of every method, and what the verbs make of them.

``python -m benchmarks.identity store FILE`` before the change, ``python -m benchmarks.identity check FILE`` after, on
the same machine: losses, scores and pictures must be equal to the last bit. Only the command line is used, so that
nothing here changes with the rooms. ``--runs FOLDER`` keeps the run folders; ``--old FOLDER`` evaluates run folders
kept by an earlier version instead of training, and so shows that stored runs open.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

METHODS: dict[str, tuple[str, ...]] = {
    "depth": ("depth-toytown-tiny",),
    "supervised": ("supervised-toytown-tiny",),
    "three_ways": ("three_ways-toytown-tiny",),
    "three_ways_both": ("three_ways-toytown-tiny", "--three_ways.multi_task", "true", "--three_ways.depth", "online"),
    "corda": ("corda-toytown-tiny", "--frames.source_domain", "DUSK"),
    "semhint": ("semhint-toytown-tiny", "--semhint.start", "5", "--semhint.ramp", "5"),
    "unimatch": ("unimatch-toytown-tiny",),
}
SETTINGS = (
    *(
        "--train.steps",
        "20",
        "--train.log_every",
        "1",
        "--train.evaluate_every",
        "20",
        "--train.checkpoint_every",
        "20",
    ),
    *("--frames.workers", "0", "--evaluate.limit", "4"),
)
SELECTIONS = {
    "ds": (),
    "us": ("--student", "select-student-tiny", "--steps", "2", "--train.steps", "10"),
}
VARYING = ("images_per_s", "seconds", "time", "eta", "waiting", "memory_mb", "data_wait", "data_share")


def vergence(*words: object, cwd: Path) -> str:
    """Run a command as a user would; its output."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "vergence", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"vergence {' '.join(map(str, words))} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def logged(run: Path) -> list[dict[str, Any]]:
    """Rows of a run's log without what varies with the machine's load."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row.get("kind") in ("train", "evaluate")]
    return [{key: value for key, value in row.items() if not any(word in key for word in VARYING)} for row in rows]


def digests(folder: Path, endings: tuple[str, ...]) -> dict[str, str]:
    """Digest of every file with one of these endings."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in endings)
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}


def scores(run: Path, data: Path, file: Path, cwd: Path) -> Any:
    """What ``evaluate`` says of a run."""
    vergence("evaluate", run, "--data", data, "--json", file, "--limit", 4, "--device", "cpu", cwd=cwd)
    found = json.loads(file.read_text(encoding="utf-8"))
    segmentation = found.get("segmentation", {})
    return {"depth": found.get("rows"), "segmentation": segmentation.get("rows")}


def measure(folder: Path, old: Path | None) -> dict[str, Any]:
    """Losses, scores, predictions and choices of every method, by name."""
    home = old if old is not None else folder
    data = home / "town.parquet"
    if old is None:
        for style, file in (("clear", data), ("dusk", home / "dusk.parquet")):
            size = ("--train", 3, "--val", 1, "--frames", 8, "--style", style)
            vergence("index", "toytown", home / "town", "--out", file, *size, cwd=folder)
    found: dict[str, Any] = {}
    for name, (recipe, *extra) in METHODS.items():
        run = home / "runs" / name
        if old is None:
            extra = [str(home / "dusk.parquet") if word == "DUSK" else word for word in extra]
            vergence("train", recipe, "--data", data, "--out", run, *SETTINGS, *extra, cwd=folder)
        found[f"{name}: log"] = logged(run)
        found[f"{name}: evaluate"] = scores(run, data, folder / f"{name}.json", folder)
        pictures = folder / "predicted" / name
        vergence("predict", run, data, "--out", pictures, "--split", "val", "--limit", 2, "--device", "cpu", cwd=folder)
        found[f"{name}: predict"] = digests(pictures, (".png",))
        print(f"{name}: done", file=sys.stderr, flush=True)
    for criterion, words in SELECTIONS.items():
        chosen = folder / f"chosen_{criterion}"
        options = ["--count", 4, "--criterion", criterion, "--device", "cpu", *words]
        vergence("select", home / "runs" / "depth", "--data", data, "--out", chosen, *options, cwd=folder)
        selection = json.loads((chosen / "selection.json").read_text(encoding="utf-8"))
        kept = ("position", "distance", "reason", "score")
        found[f"select {criterion}"] = [
            {key: frame[key] for key in kept if key in frame} | {"image": Path(frame["image"]).name}
            for frame in selection["frames"]
        ]
    return found


def differences(was: Any, now: Any, place: str = "") -> list[str]:
    """Where two stored measurements differ, by key."""
    if isinstance(was, dict) and isinstance(now, dict):
        keys = sorted(was.keys() | now.keys())
        return [line for key in keys for line in differences(was.get(key), now.get(key), f"{place}/{key}")]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = enumerate(zip(was, now, strict=True))
        return [line for number, pair in pairs for line in differences(*pair, f"{place}/{number}")]
    same = was == now or (was != was and now != now)
    return [] if same else [f"{place}: {str(was)[:60]} -> {str(now)[:60]}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("store", "check"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--runs", type=Path, help="keep town and run folders here")
    parser.add_argument("--old", type=Path, help="town and run folders of an earlier version: open, do not train")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) if given.runs is None else given.runs.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(folder, None if given.old is None else given.old.absolute())
    if given.what == "store":
        given.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    wrong = differences(json.loads(given.file.read_text(encoding="utf-8")), json.loads(json.dumps(found)))
    print("\n".join(wrong) if wrong else "identical")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
