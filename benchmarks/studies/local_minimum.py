"""One picture of what hints are for: descent stays in a local minimum of the error, a verified hint leaves it.

    python -m benchmarks.studies.local_minimum --out docs/images/semhint_local_minimum.jpg

The scene is the rendered stereo plane of the tests, with half its disparity in a hole. Above: the photometric error of
one pixel, and of the hole as a whole, as a function of inverse depth. Below: depth before, after descent, after one
pass of proposals and verification, and the truth.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib
import torch
from torch import Tensor

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from tests.toy_stereo import OPTIONS, ToyOptions, ToyScene, descend, error_of, repaired, toy_scene
from vergence.losses.hint_proposals import propose
from vergence.losses.hint_verification import candidate_errors, verify
from vergence.settings.losses import HintProposalConfig, VerificationConfig


def hinted(scene: ToyScene) -> Tensor:
    """Present depth, and the accepted planes of components and cells."""
    error = error_of(scene.present, scene.views)
    found = propose(scene.present, scene.labels, error, HintProposalConfig(), classes=1)
    errors = candidate_errors(found.inverse_depth, scene.views, OPTIONS)
    checked = verify(errors, error, scene.views.identity_error, scene.labels, None, VerificationConfig(), found.valid)
    return torch.where(checked.mask, found.inverse_depth.gather(1, checked.best), scene.present)


@torch.no_grad()
def error_curves(scene: ToyScene, factors: Tensor) -> Tensor:
    """Error (number of factors, H, W) of the true inverse depth times each factor."""
    return torch.stack([error_of(scene.truth * factor, scene.views)[0, 0] for factor in factors])


def stuck_pixel(scene: ToyScene, factors: Tensor, curves: Tensor, descended: Tensor) -> tuple[int, int]:
    """The pixel of the hole that descent leaves in the deepest minimum of its own curve, behind the highest wall."""
    places = scene.hole[0, 0].nonzero()
    ratio = (descended / scene.truth)[0, 0]
    walls = []
    for y, x in places.tolist():
        curve, end = curves[:, y, x], int((factors - ratio[y, x]).abs().argmin())
        truth = int((factors - 1).abs().argmin())
        near = curve[max(end - 8, 0) : end + 9]
        stuck = 0.4 < ratio[y, x] < 0.8 and curve[end] - near.min() < 0.003 and 0 < near.argmin() < len(near) - 1
        walls.append((curve[end:truth].max() - curve[end]).item() if stuck else -1.0)
    y, x = places[int(torch.tensor(walls).argmax())].tolist()
    return y, x


def draw(scene: ToyScene, out: Path) -> None:
    descended, repaired_depth = descend(scene.present, scene.views), hinted(scene)
    factors = torch.linspace(0.3, 1.3, 401)
    curves = error_curves(scene, factors)
    y, x = stuck_pixel(scene, factors, curves, descended)
    hole = scene.hole[0, 0]

    figure = plt.figure(figsize=(13, 7.2), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    above, below = parts
    axes = above.subplots(1, 2, sharey=True)
    ratio = (descended / scene.truth)[0, 0]
    for axis, curve, title, end in (
        (axes[0], curves[:, y, x], f"One pixel of the hole ({x}, {y})", ratio[y, x].item()),
        (axes[1], curves[:, hole].mean(dim=1), "All pixels of the hole", None),
    ):
        axis.plot(factors, curve, color="#30343b", linewidth=1.4)
        mark(axis, factors, curve, 0.5, "start: half the disparity", "#c0392b", "o")
        if end is not None:
            mark(axis, factors, curve, end, "descent ends here", "#e08e0b", "s")
        else:
            spread(axis, ratio[hole])
        mark(axis, factors, curve, 1.0, "truth = verified hint", "#1b7f4b", "*")
        axis.set(title=title, xlabel="inverse depth / true inverse depth", xlim=(0.3, 1.3), ylim=(0, 0.85))
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9, loc="upper left", ncols=2)
    axes[0].set_ylabel("photometric error")

    shown = below.subplots(2, 3)
    shown[0, 0].imshow(scene.views.target[0].permute(1, 2, 0))
    shown[0, 0].set_title("Left image of the stereo pair", fontsize=10)
    panels = [
        (shown[0, 1], scene.truth, "Inverse depth: truth"),
        (shown[0, 2], scene.present, "Start"),
        (shown[1, 0], descended, "300 steps of descent"),
        (shown[1, 1], repaired_depth, "One verified hint"),
    ]
    for axis, inverse_depth, title in panels:
        picture = axis.imshow(inverse_depth[0, 0], cmap="magma", vmin=0, vmax=scene.truth.max().item() * 1.1)
        share = f"{100 * repaired(inverse_depth, scene):.0f} % of the hole right"
        axis.set_title(title if inverse_depth is scene.truth else f"{title}: {share}", fontsize=10)
    shown[1, 2].imshow((descended / scene.truth - 1).abs()[0, 0], cmap="viridis", vmin=0, vmax=0.5)
    shown[1, 2].set_title("Relative error of descent, yellow: 50 % or more", fontsize=10)
    for axis in shown.flat:
        axis.set(xticks=[], yticks=[])
    below.colorbar(picture, ax=shown, label="inverse depth", shrink=0.8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba())
    out.parent.mkdir(parents=True, exist_ok=True)
    pixels.convert("RGB").save(out, quality=85)


def mark(axis: Axes, factors: Tensor, curve: Tensor, at: float, label: str, colour: str, marker: str) -> None:
    index = int((factors - at).abs().argmin())
    axis.plot(at, curve[index], marker, color=colour, markersize=11, label=label, zorder=3)


def spread(axis: Axes, ratios: Tensor) -> None:
    """Where the pixels of the hole ended, as bars below the curve."""
    share, edges = torch.histogram(ratios, bins=50, range=(0.3, 1.3))
    axis.bar(edges[:-1], 0.25 * share / share.max(), width=0.02, align="edge", color="#e08e0b", alpha=0.5)
    axis.patches[-1].set_label("where descent ends (pixels)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/semhint_local_minimum.jpg"))
    options = parser.parse_args()
    torch.manual_seed(0)
    draw(toy_scene(ToyOptions()), options.out)


if __name__ == "__main__":
    main()
