"""What ``predict`` costs beside its network: pictures in, files out, to the bare network's maps of the same pictures.

    python -m benchmarks.speed.predict --frames kitti/images                        # ResNet-18, 640x192, 1242x375
    python -m benchmarks.speed.predict --frames kitti/images --encoder efficientnet_lite0

All variants are timed in turn, round after round, in one process; ratios are of the same round, their median is given.
Wall time says what a user waits for, processor time (of all threads) what the work costs where others use the machine
too. The bare network looks at pictures that are prepared, in the same batches. Weights are random: the cost does not
depend on them, but a random network's depth is smoother than a trained one's, so depth is mixed with the picture's
brightness. Adds CSV rows to ``--out``.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.speed.common import append_rows, channels_last, stamp
from vergence.api import predict
from vergence.data.frame_options import FrameOptions
from vergence.data.videos.video_writer import write_video
from vergence.inference.predictor import Predictor, load
from vergence.methods.depth import DepthMethod
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import load_config


class Textured(DepthMethod):
    """Depth with the edges that a trained network's has."""

    def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Maps of images (B, 3, H, W)."""
        maps = super().predict(images)
        smooth = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 9, 1, 4, count_include_pad=False)
        return maps | {"inverse_depth": maps["inverse_depth"] * 0.5 + 0.5 * smooth + 0.01}


def build(options: argparse.Namespace, folder: Path) -> LoadedRun:
    torch.manual_seed(0)
    settings = {"network.encoder": options.encoder, "network.weights": "none", "pose.weights": "none"}
    config = load_config("depth-kitti", settings)
    width, height = options.size
    config.frames.options = FrameOptions(height=height, width=width)
    method = channels_last(Textured(config.section, config.frames.options).eval())
    return LoadedRun(path=folder / "run", config=config, method=method, step=1)


def small_network_parser(doc: str | None) -> argparse.ArgumentParser:
    """What says which pictures a small network looks at, for :func:`build` and :func:`pictures`."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--frames", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--encoder", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, nargs=2, default=(416, 128))
    parser.add_argument("--picture", type=int, nargs=2, default=(640, 192))
    return parser


def pictures(options: argparse.Namespace, folder: Path) -> Path:
    """Pictures of a camera's size: the given ones enlarged, as JPEG files."""
    frames = folder / "frames"
    frames.mkdir()
    files = sorted(path for path in options.frames.iterdir() if path.suffix in (".jpg", ".png"))
    for number in range(options.count):
        with Image.open(files[number % len(files)]) as image:
            enlarged = image.convert("RGB").resize(options.picture, Image.Resampling.BICUBIC)
        enlarged.save(frames / f"{number:06d}.jpg", quality=92)
    write_video(folder / "drive.mp4", (np.asarray(Image.open(path)) for path in sorted(frames.iterdir())), 10)
    return frames


def bare(predictor: Predictor, frames: Path) -> Callable[[], object]:
    seen = [predictor.network.prepare(Image.open(path)) for path in sorted(frames.iterdir())]
    batches = [seen[start : start + predictor.batch_size] for start in range(0, len(seen), predictor.batch_size)]

    def look() -> None:
        for batch in batches:
            predictor.network.maps(batch)

    return look


def variants(run: Any, folder: Path, frames: Path) -> dict[str, Callable[[], object]]:
    """Name -> what is timed."""
    out = folder / "out"

    def whole(source: Path, **settings: Any) -> Callable[[], object]:
        def call() -> None:
            shutil.rmtree(out, ignore_errors=True)
            predict(run, source, out, **settings)

        return call

    return {
        "bare network": bare(load(run, "cpu"), frames),
        "predict, folder": whole(frames),
        "predict, folder, without colours": whole(frames, colour=False),
        "predict, folder, with video": whole(frames, video=True),
        "predict, video file": whole(folder / "drive.mp4"),
    }


def costs(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--picture", type=int, nargs=2, default=(1242, 375), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--size", type=int, nargs=2, default=(640, 192), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--code", default="", help="what is measured, such as before or after a change")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "predict.csv")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        frames = pictures(options, folder)
        calls = variants(build(options, folder), folder, frames)
        calls["bare network"]()
        rounds = [{name: costs(call) for name, call in calls.items()} for _ in range(options.rounds)]
    rows = []
    for name in calls:
        wall, processor = (statistics.median(turn[name][kind] for turn in rounds) for kind in (0, 1))
        ratios = [
            statistics.median(turn[name][kind] / turn["bare network"][kind] for turn in rounds) for kind in (0, 1)
        ]
        rows.append(
            {
                "code": options.code, "encoder": options.encoder, "variant": name,
                "wall_ms": round(1e3 * wall / options.count, 1), "wall_ratio": round(ratios[0], 2),
                "cpu_ms": round(1e3 * processor / options.count, 1), "cpu_ratio": round(ratios[1], 2),
                "load": round(os.getloadavg()[0], 1), "picture": "x".join(map(str, options.picture)),
                "network": "x".join(map(str, options.size)), "pictures": options.count, "batch": 4,
                "rounds": options.rounds, **stamp("cpu"),
            }
        )  # fmt: skip
        print(*rows[-1].values(), flush=True)
    append_rows(options.out, rows)


if __name__ == "__main__":
    main()
