"""Speed of a CorDA training step against the bare passes that it needs.

    python -m benchmarks.speed.corda_step                  # ResNet-18, small frames
    python -m benchmarks.speed.corda_step --encoder deeplabv2_resnet101 --height 512 --width 512     # the paper's

Needed are: the student on source frames and on mixed frames, and the teacher on target frames without gradients. The
bare step runs just these forward and backward passes of the same networks with a mean of every output for a loss. Both
are timed in turn; ratios are of medians.
"""

import argparse

import torch

from benchmarks.speed.common import append_rows, channels_last, in_turn, random_batch, stamp, step_options
from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig
from vergence.settings.networks import CordaNetworkConfig

CLASSES = 19
SPACE = "nineteen:" + ",".join(f"class{k}#0000{k:02x}" for k in range(CLASSES))


def build(options: argparse.Namespace) -> CordaMethod:
    torch.manual_seed(0)
    network = CordaNetworkConfig(
        variant=options.variant, encoder=options.encoder, weights="none", width=options.features
    )
    full = options.variant in ("gta", "synthia")
    config = CordaConfig(network=network, depth=options.variant != "dacs", difficulty="per_image" if full else "off")
    frames = FrameOptions(height=options.height, width=options.width, label_space=SPACE)
    return channels_last(CordaMethod(config, frames).to(options.device).train())


def batches(options: argparse.Namespace) -> dict[str, Batch]:
    size = (options.batch, options.height, options.width)
    found = {}
    for role in ("source", "target"):
        batch = random_batch(*size, options.device, frames=1)
        batch["inverse_depth"] = 1 + 60 * torch.rand(size, device=options.device)[:, None]
        if role == "source":
            batch["label"] = torch.randint(CLASSES, size, device=options.device)
        found[role] = batch
    return found


def bare_step(method: CordaMethod, data: dict[str, Batch]) -> None:
    """The networks alone."""
    source, target = (data[role]["frames"][:, 0] for role in ("source", "target"))
    with torch.no_grad():
        method.mean_teacher.network(target)
    outputs = [value.mean() for images in (source, target) for value in method.network(images).values()]
    torch.stack(outputs).sum().backward()


def full_step(method: CordaMethod, data: dict[str, Batch], optimizer: torch.optim.Optimizer | None) -> None:
    """What training does with batches that are already on the device."""
    losses = method(data, 0)
    torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum().backward()
    if optimizer is not None:
        optimizer.step()
        method.after_step(0)


def main() -> None:
    parser = step_options(__doc__, 192, 192, batch=2, rounds=7)
    parser.add_argument("--variant", default="gta")
    parser.add_argument("--features", type=int, default=256, help="channels of the tasks' features")
    options = parser.parse_args()
    method, data = build(options), batches(options)
    trained = [value for group in method.parameter_groups() for value in group["params"]]
    sgd = torch.optim.SGD(trained, lr=1e-6, momentum=0.9, foreach=True)
    calls = {
        "bare passes": lambda: bare_step(method, data),
        "full": lambda: full_step(method, data, None),
        "full + SGD + teacher": lambda: full_step(method, data, sgd),
    }
    times = in_turn(calls, options.rounds, options.device, lambda: method.zero_grad(set_to_none=True))
    about = {"encoder": options.encoder, "variant": options.variant, "size": f"{options.height}x{options.width}",
             "batch": options.batch}  # fmt: skip
    rows = []
    for name, seconds in times.items():
        ratio = seconds / times["bare passes"]
        print(f"{name:24} {seconds:8.3f} s/step  ratio {ratio:5.2f}")
        rows.append({**about, "step": name, "seconds": round(seconds, 4), "ratio": round(ratio, 3),
                     **stamp(options.device)})  # fmt: skip
    if options.out:
        append_rows(options.out, rows)


if __name__ == "__main__":
    main()
