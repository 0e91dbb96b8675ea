"""Speed of counting classes: the confusion matrix of evaluation against a count in Python, pixel by pixel.

    python -m benchmarks.speed.segmentation_metric                          # 1024 x 2048, 19 classes
    python -m benchmarks.speed.segmentation_metric --height 360 --width 480 --classes 11

All count pixels in turn, round after round, in one process, and are compared per pixel as ratios of medians; Python
sees a crop (its cost grows with the pixels), once as arrays that it indexes pixel by pixel, once as lists, its fastest
form. "evaluate" is all that evaluation does with logits of half the size: resize them, take the best class, count.
Growth is the cost of an image among four times as many, to that of one among few: 1 where nothing piles up. Appends one
CSV row to ``--out``.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.speed.common import append_rows, in_turn, stamp
from vergence.evaluation.segmentation import best_class
from vergence.metrics.segmentation import confusion_matrix, scores

IGNORED_LABEL = 255


def count_arrays(prediction: NDArray[np.integer], label: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """The confusion matrix of two maps (H, W), one pixel after the other."""
    confusion = np.zeros((classes, classes), dtype=np.int64)
    for row in range(label.shape[0]):
        for column in range(label.shape[1]):
            if label[row, column] != IGNORED_LABEL:
                confusion[label[row, column], prediction[row, column]] += 1
    return confusion


def count_lists(prediction: Tensor, label: Tensor, classes: int) -> list[list[int]]:
    """The same of lists."""
    confusion = [[0] * classes for _ in range(classes)]
    for guesses, truths in zip(prediction.tolist(), label.tolist(), strict=True):
        for guess, truth in zip(guesses, truths, strict=True):
            if truth != IGNORED_LABEL:
                confusion[truth][guess] += 1
    return confusion


def count(prediction: Tensor, label: Tensor, classes: int, images: int = 1) -> Tensor:
    """The confusion matrix of the same maps seen so many times."""
    counts = torch.zeros(classes, classes, dtype=torch.int64, device=prediction.device)
    for _ in range(images):
        counts += confusion_matrix(prediction, label, classes)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--crop", type=int, default=192, help="side of the square that is counted in Python")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--streamed", type=int, default=3, help="images of the shorter stream")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="CSV file to append to")
    options = parser.parse_args()
    classes, device, size = options.classes, options.device, (options.height, options.width)
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, classes, size, generator=generator, dtype=torch.uint8)
    label[torch.rand(size, generator=generator) < 0.1] = IGNORED_LABEL
    logits = torch.rand(classes, options.height // 2, options.width // 2, generator=generator)
    prediction = best_class(logits, size)
    crop = (prediction[: options.crop, : options.crop], label[: options.crop, : options.crop])
    arrays = (crop[0].numpy(), crop[1].numpy())
    assert count(*crop, classes).tolist() == count_arrays(*arrays, classes).tolist() == count_lists(*crop, classes)
    label, logits, prediction = label.to(device), logits.to(device), prediction.to(device)
    few, many, pixels = options.streamed, 4 * options.streamed, options.height * options.width

    table: dict[str, tuple[int, Callable[[], object]]] = {
        "Python, arrays": (crop[0].numel(), lambda: count_arrays(*arrays, classes)),
        "Python, lists": (crop[0].numel(), lambda: count_lists(*crop, classes)),
        "count": (pixels, lambda: count(prediction, label, classes)),
        "evaluate": (pixels, lambda: scores(count(best_class(logits, size), label, classes))),
        "stream few": (few * pixels, lambda: count(prediction, label, classes, few)),
        "stream many": (many * pixels, lambda: count(prediction, label, classes, many)),
    }
    seconds = in_turn({name: call for name, (_, call) in table.items()}, options.rounds, device)
    cost = {name: seconds[name] / counted for name, (counted, _) in table.items()}
    print(
        f"{options.height}x{options.width}, {classes} classes, on {device}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, {options.rounds} rounds"
    )
    print(f"{'variant':16} {'ns/pixel':>9} {'ms/image':>9}   times as fast as Python with arrays, with lists")
    for name, each in cost.items():
        ratios = [cost[f"Python, {kind}"] / each for kind in ("arrays", "lists")]
        print(f"{name:16} {1e9 * each:9.2f} {1e3 * each * pixels:9.1f} {ratios[0]:33.1f} {ratios[1]:11.1f}")
    growth = cost["stream many"] / cost["stream few"]
    print(f"growth with four times the images {growth:.2f}")
    if options.out:
        row = {
            "size": f"{options.height}x{options.width}",
            "classes": classes,
            "count_ratio": round(cost["Python, arrays"] / cost["count"], 1),
            "count_ratio_lists": round(cost["Python, lists"] / cost["count"], 1),
            "evaluate_ratio": round(cost["Python, arrays"] / cost["evaluate"], 1),
            "count_ms": round(1e3 * cost["count"] * pixels, 2),
            "growth": round(growth, 3),
        }
        append_rows(options.out, [row | stamp(device)])


if __name__ == "__main__":
    main()
