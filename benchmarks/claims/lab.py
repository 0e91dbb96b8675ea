"""What the runs of claims share, made once and kept: towns, CamVid's manifest, a depth run, features of encoders."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

from benchmarks.claims.probe import Frames, encoder_of, frames_of
from benchmarks.claims.recipes import RecipeRun, alone, finished
from benchmarks.studies.three_ways import overrides
from vergence import api
from vergence.data.layouts import index_layout
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow

SHARED = Path(__file__).parents[3] / "shared" / "data"
"""Real driving data, where they are at hand."""
TOWN_SIZE = (96, 192)
SIZES = {
    "town": TOWN_SIZE, "uneven": TOWN_SIZE, "camvid": (352, 480), "kitti": (128, 416),
}  # fmt: skip
"""Height and width of frames."""
STANDING_FPS = 100.0
"""Frames a second of rendered streets that stand for standing traffic: the camera moves by some centimetres."""


class Lab:
    """A folder of shared things; each is made when it is first asked for, by one process, and others wait for it."""

    def __init__(self, out: Path, data: Path = SHARED) -> None:
        self.out, self.data = out, data

    def run(self, name: str) -> Path:
        """Where a run lies while it is needed."""
        return self.out / "runs" / name.replace(" ", "_").replace(",", "")

    @cached_property
    def town(self) -> Path:
        """24 streets to learn from, 6 to judge, 40 frames each."""
        return self._town("town", {})

    @cached_property
    def dusk(self) -> Path:
        """Other streets at dusk: the target of adaptation."""
        return self._town("dusk", {"style": "dusk", "seed": 2, "frames": 20, "stereo": False})

    def _town(self, name: str, options: Mapping[str, object]) -> Path:
        manifest = self.out / f"{name}.parquet"
        with alone(manifest):
            if not manifest.is_file():
                api.index("toytown", self.out / name, manifest, options)
        return manifest

    @cached_property
    def uneven(self) -> Manifest:
        """Twelve streets in which the car nearly stands, and the 24 in which it drives: what selection chooses from."""
        options = {"seed": 7, "train": 12, "val": 0, "fps": STANDING_FPS, "stereo": False}
        slow = Manifest.read(self._town("standing", options))
        drive = Manifest.read(self.town).select("train")
        rows = [
            replace(row, image=str(manifest.path(place)), label=str(manifest.path(place, "label")), stereo="", depth="",
                    pose="", sequence=f"{kind} {row.sequence}", fps=10.0)
            for kind, manifest in (("drive", drive), ("standing", slow))
            for place, row in enumerate(manifest)
        ]  # fmt: skip
        return Manifest(rows, self.out, "uneven town")

    @cached_property
    def camvid(self) -> Manifest:
        path = self.out / "camvid.parquet"
        with alone(path):
            if not path.is_file():
                index_layout("camvid", self.data / "camvid", path)
        return Manifest.read(path)

    @cached_property
    def kitti(self) -> Manifest:
        """KITTI's labelled stills, split as protocol.json says: 90 teach, 44 judge."""
        root = self.data / "kitti_semantics"
        protocol = json.loads((self.data / "protocol.json").read_text())
        rows = [
            FrameRow(f"images/{name}.jpg", name, int(name), split, label=f"labels/{name}.png",
                     label_space="cityscapes19")
            for split in ("train", "test")
            for name in protocol[f"segmentation_{split}_pictures"]
        ]  # fmt: skip
        return Manifest(rows, root, "KITTI stills")

    @cached_property
    def depth(self) -> Path:
        """Depth learned from the town's own video, both neighbours and stereo, in as many steps as the demo's."""
        both = overrides(frames__options__offsets='[-1, 1, "s"]')
        return finished(self.out / "depth", RecipeRun("depth-toytown-demo", both, self.town), seed=0)

    @cache  # noqa: B019 - a lab lives as long as the process
    def frames(self, which: str, start: str) -> Frames:
        """Labelled frames with features of an encoder: "imagenet", "scratch" (random) or "depth" (the depth run)."""
        size = SIZES[which.split("-")[0]]
        encoder = encoder_of(start, self.depth if start == "depth" else None)
        file = self.out / "features" / f"{which}-{start}.pt"
        with alone(file):
            return frames_of(self._manifest(which), encoder, size, file)

    def _manifest(self, which: str) -> Manifest:
        if which == "uneven":
            return self.uneven
        town = which.startswith("town")
        source = Manifest.read(self.town) if town else self.kitti if which.startswith("kitti") else self.camvid
        chosen = source.select(which.split("-")[-1])
        return Manifest(list(chosen), chosen.root, chosen.name)
