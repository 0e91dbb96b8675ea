"""Depth learned in a loop of one's own: python own_training_loop.py FRAMES [STEPS] (a folder)."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import vergence

WIDTH, HEIGHT, BATCH = 192, 96, 4


def load(path: Path) -> torch.Tensor:
    pixels = np.array(Image.open(path).convert("RGB").resize((WIDTH, HEIGHT)))
    return torch.from_numpy(pixels).permute(2, 0, 1) / 255  # (3, H, W) in [0, 1]


frames = torch.stack([load(path) for path in sorted(Path(sys.argv[1]).iterdir()) if path.suffix in (".jpg", ".png")])
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 200
network = vergence.models.build_depth_network(vergence.models.DepthNetworkConfig(weights="none"))  # or "imagenet"
motion = vergence.models.PoseNetwork(weights="none")
optimiser = torch.optim.AdamW([*network.parameters(), *motion.parameters()], lr=1e-4)
camera = vergence.geometry.Camera.from_field_of_view(60, WIDTH, HEIGHT).matrix()

for step in range(1, steps + 1):
    middle = torch.randint(1, len(frames) - 1, (BATCH,))
    before, target, after = frames[middle - 1], frames[middle], frames[middle + 1]
    poses = [motion.transform(target, before, past=True), motion.transform(target, after)]
    loss = vergence.losses.photometric_depth_loss(network(target), target, [before, after], camera, poses)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 20 == 0 or step == steps:
        print(f"step {step}  loss {loss.item():.4f}", flush=True)

torch.save(network.state_dict(), "depth_network.pt")
