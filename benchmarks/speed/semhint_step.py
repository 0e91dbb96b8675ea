"""What hints of depth cost: proposals, their errors and their verification, against a whole depth training step.

    python -m benchmarks.speed.semhint_step                     # 192 x 640, batch 4, ResNet-18
    python -m benchmarks.speed.semhint_step --height 96 --width 192 --encoder efficientnet_lite0

All are timed in turn in one process; ratios are of medians. The whole step of the method: semhint_whole_step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.speed.common import append_rows, in_turn, random_batch, ratio_rows, stamp, step_options
from benchmarks.speed.step import build, full_step
from vergence.losses.hint_proposals import ClassGroups, Proposals, propose
from vergence.losses.hint_verification import candidate_errors, verify
from vergence.losses.self_supervised import synthesize
from vergence.settings.losses import HintProposalConfig, VerificationConfig

CLASSES = 19


def patches(batch: int, size: tuple[int, int], device: str) -> tuple[Tensor, Tensor]:
    """Labels (B, H, W) in patches of some hundred pixels, and a smooth map (B, 1, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(batch, CLASSES + 1, size[0] // 24, size[1] // 24, generator=generator)
    smooth = F.interpolate(coarse.to(device), size=size, mode="bilinear")
    return smooth[:, :CLASSES].argmax(dim=1), smooth[:, CLASSES:]


def main() -> None:
    parser = step_options(__doc__)
    parser.add_argument("--families", nargs="+", default=["components", "cells"])
    options = parser.parse_args()
    method, size = build(options, True), (options.height, options.width)
    batch = random_batch(options.batch, *size, options.device)
    with torch.no_grad():
        views = method.synthesis.views(batch, 0)
        labels, smooth = patches(options.batch, size, options.device)
        now = synthesize(0.1 + 0.2 * smooth, views, method.config.loss)
    loss, proposing, verifying = method.config.loss, HintProposalConfig(families=options.families), VerificationConfig()

    def proposals() -> Proposals:
        things = tuple(range(1, CLASSES))
        return propose(
            now.inverse_depth, labels, now.error, proposing,
            ClassGroups(foreground=things[:9], ground=(0,), standing=things), classes=CLASSES,
        )  # fmt: skip

    found = proposals()
    errors = candidate_errors(found.inverse_depth, views, loss)

    def verification() -> object:
        return verify(errors, now.error, views.identity_error, labels, None, verifying, found.valid)

    calls = {
        "depth step": lambda: full_step(method, batch, None),
        "proposals": proposals,
        "errors": lambda: candidate_errors(found.inverse_depth, views, loss),
        "verification": verification,
    }
    times = in_turn(calls, options.rounds, options.device, lambda: method.zero_grad(set_to_none=True))
    times["hints, together"] = sum(times[name] for name in list(calls)[1:])
    print(
        f"{options.encoder} {options.height}x{options.width} batch {options.batch} on {options.device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {errors.shape[1]} candidates"
    )
    rows = ratio_rows(times, "depth step")
    if options.out:
        about = {"encoder": options.encoder, "size": f"{options.height}x{options.width}", "batch": options.batch}
        about["families"] = "+".join(options.families)
        append_rows(options.out, [about | stamp(options.device) | row for row in rows])


if __name__ == "__main__":
    main()
