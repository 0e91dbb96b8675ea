"""Words of other tools and papers, and ours for the same: whoever types theirs is told ours."""

SETTINGS = {
    "epochs": "train.steps (steps of the optimiser, not epochs: frames x epochs / frames.batch_size)",
    "max_epochs": "train.steps (steps of the optimiser, not epochs: frames x epochs / frames.batch_size)",
    "iterations": "train.steps", "iters": "train.steps", "max_steps": "train.steps",
    "lr0": "optim.lr", "learning_rate": "optim.lr", "optimizer": "optim.name",
    "scheduler": "optim.schedule",
    "clip_grad": "optim.clip", "grad_clip": "optim.clip",
    "batch": "frames.batch_size", "bs": "frames.batch_size",
    "imgsz": "frames.options.width and frames.options.height",
    "img_size": "frames.options.width and frames.options.height",
    "image_size": "frames.options.width and frames.options.height",
    "num_workers": "frames.workers",
    "weights": "network.weights (of the first weights; a whole run is named as METHOD.initialize_from)",
    "pretrained": "network.weights", "backbone": "network.encoder",
    "checkpoint": "METHOD.initialize_from (to start from a run), or vergence train --resume RUN (to go on with one)",
    "ckpt": "METHOD.initialize_from (to start from a run), or vergence train --resume RUN (to go on with one)",
    "gpus": "train.device (several: torchrun --nproc_per_node N -m vergence train ...)",
    "amp": "train.precision", "fp16": "train.precision fp16", "half": "train.precision",
    "patience": "train.stop_after", "save_period": "train.checkpoint_every",
    "eval_interval": "train.evaluate_every", "val_interval": "train.evaluate_every", "log_interval": "train.log_every",
    "project": "--out RUN", "output": "--out RUN", "output_dir": "--out RUN",
    "save_dir": "--out RUN", "name": "--out RUN",
    "dataset": "--data X", "data_path": "--data X", "data_dir": "--data X", "train_data": "--data X",
    "val_data": "frames.val", "num_labels": "frames.labelled.count", "labels": "frames.labelled.count or .file",
}  # fmt: skip
"""Settings of a training, as others call them."""

OPTIONS = {
    "weights": "RUN, the first word", "model": "RUN, the first word",
    "ckpt": "--checkpoint",
    "source": "the second word", "input": "the second word", "images": "the second word",
    "output": "--out", "output_dir": "--out", "save_dir": "--out", "project": "--out",
    "dataset": "--data", "data_path": "--data", "data_dir": "--data", "batch": "--batch_size", "bs": "--batch_size",
    "format": "--to", "half": "--precision fp16", "fp16": "--precision fp16", "int8": "--precision int8",
    "dynamic": "--size any and --batch any", "address": "--host", "server_name": "--host", "server_port": "--port",
    "imgsz": "--size; none: a run sees pictures at the size it was trained at", "tta": "--flip", "augment": "--flip",
    "metric": "--protocol", "metrics": "--protocol", "subset": "--split", "gpu": "--device", "num": "--limit",
    "max_images": "--limit", "n": "--limit", "num_images": "--limit", "k": "--count", "budget": "--count",
}  # fmt: skip
"""Options of other verbs, as others call them; of several the first that the verb has is told."""

VERBS = {
    "val": "evaluate", "validate": "evaluate", "test": "evaluate", "eval": "evaluate", "benchmark": "evaluate",
    "infer": "predict", "inference": "predict", "detect": "predict", "segment": "predict",
    "depth": "predict", "run": "predict",
    "fit": "train", "finetune": "train", "pretrain": "train", "distill": "train", "continue": "resume",
    "import": "labels import", "annotate": "labels export", "propagate": "labels propagate", "label": "labels",
    "prepare": "index", "dataset": "index", "manifest": "index", "list": "recipes",
    "configs": "recipes", "models": "recipes",
    "check": "doctor", "env": "doctor", "info": "doctor", "quickstart": "demo", "visualize": "report", "plot": "report",
    "sample": "select", "active": "select", "analyze": "scan", "onnx": "export",
}  # fmt: skip
"""Commands, as others call them."""


def our_setting(key: str) -> str:
    """What a setting is called here that others call so; "" where nobody does."""
    return SETTINGS.get(key.replace("-", "_").lower(), "")


def our_option(key: str, known: list[str]) -> str:
    """What an option of a verb with the options ``known`` (``--out``) is called; "" where it has none like it."""
    called = OPTIONS.get(key.replace("-", "_").lower(), "").split("; ")
    return next((ours for ours in called if not ours.startswith("--") or ours.split()[0] in known), "")


def our_verb(word: str) -> str:
    """What a command is called that others call so; "" where nobody does."""
    return VERBS.get(word.lower(), "")
