"""The learning rate in force through our schedule."""

import numpy as np

from tests.parity.registry import Case, operation
from vergence.runs.config_sections import OptimConfig
from vergence.training.optim import lr_factor


@operation("monodepth2.lr_per_epoch")
def lr_per_epoch(inputs: dict[str, np.ndarray], params: dict, case: Case) -> dict[str, np.ndarray]:
    """The official program steps its scheduler at the start of each epoch, so epoch e runs at the rate after e + 1
    scheduler steps: the first drop comes after ``step - 1`` epochs (on the PyTorch it was run on)."""
    config = OptimConfig(lr=params["lr"], schedule="step", step_size=params["step"], gamma=0.1)
    rates = [config.lr * lr_factor(config, params["epochs"], int(epoch) + 1) for epoch in inputs["epoch"]]
    return {"lr": np.array(rates)}
