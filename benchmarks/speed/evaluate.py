"""Speed of evaluation: what the depth metrics cost beside the predictions that they judge.

    python -m benchmarks.speed.evaluate                   # 192 x 640, batch 4, ResNet-18, truth of 375 x 1242
    python -m benchmarks.speed.evaluate --height 96 --width 192 --truth 96 192 --encoder efficientnet_lite0

Predicting and scoring are timed in turn, round after round, in one process, and compared as ratios of medians: absolute
times on a shared machine mean little. Truth is as sparse as a LiDAR's (one pixel in twenty) or has every pixel. Growth
is the cost of an image among four times as many, to that of one among few: 1 where nothing piles up. Appends one CSV
row to ``--out``.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.speed.common import append_rows, channels_last, in_turn, stamp
from vergence.data.dataset import FrameOptions
from vergence.evaluation.depth_scores import Scores
from vergence.inference.network_maps import predict_maps
from vergence.methods.depth import DepthMethod
from vergence.methods.depth_config import DepthConfig
from vergence.metrics.depth import score_inverse_depth
from vergence.settings.networks import DepthNetworkConfig
from vergence.settings.protocols import PROTOCOLS, DepthProtocol

LIDAR_SHARE = 0.05


def build(options: argparse.Namespace) -> DepthMethod:
    torch.manual_seed(0)
    config = DepthConfig(network=DepthNetworkConfig(encoder=options.encoder, weights="none"))
    frames = FrameOptions(height=options.height, width=options.width, offsets=("s",))  # needs no pose network
    return channels_last(DepthMethod(config, frames).to(options.device).eval())


def score(inverse_depth: torch.Tensor, truth: torch.Tensor, protocol: DepthProtocol) -> None:
    """What evaluation does with a batch of predictions: image by image, numbers read back at once."""
    for prediction, measured in zip(inverse_depth, truth, strict=True):
        score_inverse_depth(prediction[0], measured[0], protocol).errors.tolist()


def stream(inverse_depth: torch.Tensor, truth: torch.Tensor, batches: int) -> None:
    """The scores of a whole split, gathered batch after batch."""
    gathered, measured = Scores("trained"), truth[:, 0].cpu().numpy()
    for _ in range(batches):
        for prediction, depth in zip(inverse_depth, measured, strict=True):
            gathered.add("", prediction[0], depth, PROTOCOLS["eigen"])
    gathered.summary()


def variants(options: argparse.Namespace) -> dict[str, tuple[int, Callable[[], object]]]:
    """Name -> number of images, and what to time."""
    method = build(options)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(options.batch, 3, options.height, options.width, generator=generator).to(options.device)
    dense = 1 + 70 * torch.rand(options.batch, 1, *options.truth, generator=generator)
    measured = torch.rand(dense.shape, generator=generator) < LIDAR_SHARE
    dense, sparse = dense.to(options.device), (dense * measured).to(options.device)
    found = predict_maps(method, images)["inverse_depth"]
    few, many, n = options.streamed, 4 * options.streamed, options.batch
    return {
        "predict": (n, lambda: predict_maps(method, images)),
        "predict, flipped too": (n, lambda: predict_maps(method, images, flip=True)),
        "score sparse, eigen": (n, lambda: score(found, sparse, PROTOCOLS["eigen"])),
        "score sparse, improved": (n, lambda: score(found, sparse, PROTOCOLS["improved"])),
        "score dense, plain": (n, lambda: score(found, dense, PROTOCOLS["plain"])),
        "stream few": (few * n, lambda: stream(found, sparse, few)),
        "stream many": (many * n, lambda: stream(found, sparse, many)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--truth", type=int, nargs=2, default=(375, 1242), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--streamed", type=int, default=5, help="batches of the shorter stream")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="CSV file to append to")
    options = parser.parse_args()
    with torch.inference_mode():
        table = variants(options)
        times = in_turn({name: call for name, (_, call) in table.items()}, options.rounds, options.device)
    median = {name: seconds / table[name][0] for name, seconds in times.items()}
    size, truth = f"{options.height}x{options.width}", f"{options.truth[0]}x{options.truth[1]}"
    print(
        f"{options.encoder} {size} batch {options.batch}, truth {truth}, on {options.device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {options.rounds} rounds"
    )
    print(f"{'variant':24} {'ms/image':>9} {'ratio':>7}")
    for name, seconds in median.items():
        print(f"{name:24} {1e3 * seconds:9.2f} {seconds / median['predict']:7.3f}")
    growth = median["stream many"] / median["stream few"]
    print(f"ratios are to predict; growth with four times the images {growth:.2f}")
    if options.out:
        row = {
            "encoder": options.encoder,
            "size": size,
            "truth": truth,
            "batch": options.batch,
            **stamp(options.device),
            "predict_ms": round(1e3 * median["predict"], 3),
            "flip_ratio": round(median["predict, flipped too"] / median["predict"], 3),
            "eigen_ratio": round(median["score sparse, eigen"] / median["predict"], 4),
            "improved_ratio": round(median["score sparse, improved"] / median["predict"], 4),
            "dense_ratio": round(median["score dense, plain"] / median["predict"], 4),
            "growth": round(growth, 3),
        }
        append_rows(options.out, [row])


if __name__ == "__main__":
    main()
