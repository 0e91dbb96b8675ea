import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.data.frame_row import FrameRow
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.baselines import (
    MeanInverseDepth,
    cell_inverse_depth,
    input_free_inverse_depth,
    untrained_method,
)
from vergence.evaluation.depth_scores import choose_protocol, table
from vergence.evaluation.evaluate import Scoring, evaluate, evaluate_run
from vergence.methods import Method
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import load_config

HEIGHT, WIDTH = 64, 128
OVERRIDES = ["--network.encoder=resnet18", "--network.weights=none", "--pose.weights=none"]
GOLDEN = {
    "abs_rel": 0.3625,
    "sq_rel": 5.1625,
    "rmse": 10.062306,
    "rmse_log": 0.380801,
    "a1": 0.25,
    "a2": 0.75,
    "a3": 0.75,
}


class RedMethod(Method):
    """Says inverse depth = red / 40: depth 2, 5, 8, 40 where red is 20, 8, 5, 1."""

    tasks = ("depth",)

    def __init__(self, metres_per_unit=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        if metres_per_unit is not None:
            self.scale, self.metres_per_unit = "metric", metres_per_unit

    def predict(self, images):
        return {"inverse_depth": (images[:, :1] * 255).round().clamp(min=1) / 40, "disparity": images[:, :1]}


def made_run(tmp_path, source=None, method=None, options=None):
    config = load_config("depth-kitti-tiny", OVERRIDES)
    config.frames.source, config.frames.val = source, None
    config.frames.options = options or FrameOptions(height=HEIGHT, width=WIDTH, offsets=("s",))
    config.evaluate.protocol, config.evaluate.limit = "plain", None
    return LoadedRun(path=tmp_path / "run", config=config, method=method or RedMethod(), step=7)


def frame(folder: Path, number: int, red=(), depth=(), split="val", sequence="s", size=(HEIGHT, WIDTH), **columns):
    """A frame whose first pixels have these reds and measured depths; elsewhere red is 1 and nothing is measured."""
    image, truth = np.ones((*size, 3), np.uint8), np.zeros(size, np.float32)
    image[0, : len(red), 0] = red
    truth[0, : len(depth)] = depth
    name = f"{sequence}{number}"
    Image.fromarray(image).save(folder / f"{name}.png")
    if len(depth):
        np.save(folder / f"{name}.npy", truth)
        columns["depth"] = f"{name}.npy"
    return FrameRow(f"{name}.png", sequence, number, split=split, width=size[1], height=size[0], **columns)


def golden(folder, number=0, **columns):
    return frame(folder, number, (20, 8, 5, 1), (2, 4, 10, 20), **columns)


def rows(result):
    return {row["name"]: row for row in result["rows"]}


def test_errors_of_the_spec(tmp_path):
    class Fifths(RedMethod):
        """The same depths in units of 5 m: inverse depths that are exact in binary, as strict thresholds need."""

        def predict(self, images):
            found = super().predict(images)
            return {**found, "inverse_depth": (images[:, :1] * 255).round().clamp(min=1) / 8}

    manifest = Manifest([golden(tmp_path)], tmp_path)
    run = made_run(tmp_path, method=Fifths())
    result = evaluate_run(run, manifest, Scoring(choose_protocol("plain", 5.0), baselines=False))
    (row,) = result["rows"]
    assert {key: row[key] for key in GOLDEN} == pytest.approx(GOLDEN, abs=1e-5)
    assert row["images"] == 1
    assert result["images"] == 1


def test_median_scaling_reports_its_factor_and_metric_runs_score_in_metres(tmp_path):
    manifest = Manifest([golden(tmp_path)], tmp_path)
    row = evaluate_run(made_run(tmp_path), manifest, Scoring(baselines=False))["rows"][0]
    assert row["scale_median"] == pytest.approx(7 / 6.5)
    assert row["abs_rel"] == pytest.approx(0.428846, abs=1e-5)
    metric = made_run(tmp_path, method=RedMethod(metres_per_unit=2.0))
    assert evaluate_run(metric, manifest, Scoring(baselines=False))["rows"][0]["scale_median"] == pytest.approx(7 / 13)
    in_metres = evaluate_run(metric, manifest, Scoring(choose_protocol("plain", "none"), baselines=False))
    by_factor = evaluate_run(made_run(tmp_path), manifest, Scoring(choose_protocol("plain", 2.0), baselines=False))
    assert in_metres["rows"][0]["rmse"] == pytest.approx(by_factor["rows"][0]["rmse"])
    # (4 - 2, 10 - 4, 16 - 10, 80 - 20)
    assert in_metres["rows"][0]["rmse"] == pytest.approx(np.sqrt((4 + 36 + 36 + 3600) / 4))
    assert "metric" in in_metres["stamp"]
    assert "unscaled" in by_factor["stamp"]


def test_means_are_over_images_and_images_without_a_measurement_do_not_count(tmp_path):
    manifest = Manifest(
        [
            frame(tmp_path, 0, (20, 20), (4, 4)),  # predicted 2: abs_rel 0.5
            frame(tmp_path, 1, (8,) * 8, (5,) * 8),  # exact
            frame(tmp_path, 2, (8,), (0,)),
            frame(tmp_path, 3),
        ],
        tmp_path,
    )
    result = evaluate_run(made_run(tmp_path), manifest, Scoring(choose_protocol("plain", "none"), baselines=False))
    assert result["rows"][0]["abs_rel"] == pytest.approx(0.25)
    assert result["images"] == 2


def test_sizes_may_differ_between_images_and_from_their_truth(tmp_path):
    big = np.zeros((2 * HEIGHT, 2 * WIDTH), np.float32)
    big[80:, 80:] = 10.0
    first = frame(tmp_path, 0, (), (), size=(HEIGHT, WIDTH))
    second = frame(tmp_path, 1, (), (), size=(70, 140))
    np.save(tmp_path / "big.npy", big)
    manifest = Manifest([dataclasses.replace(row, depth="big.npy") for row in (first, second)], tmp_path)
    result = evaluate_run(made_run(tmp_path), manifest, Scoring(choose_protocol("plain", "none"), baselines=False))
    assert result["rows"][0]["abs_rel"] == pytest.approx(3.0)  # 40 instead of 10, in both
    assert result["images"] == 2


def test_stereo_disparity_serves_as_truth(tmp_path):
    row = frame(tmp_path, 0, (8,) * 4, fx=1.0, fy=2.0, cx=0.5, cy=0.5, baseline=0.5)
    disparity = np.zeros((HEIGHT, WIDTH), np.uint16)
    disparity[0, :4] = round(256 * WIDTH * 0.5 / 5)
    Image.fromarray(disparity).save(tmp_path / "d.png")
    manifest = Manifest([dataclasses.replace(row, disparity="d.png")], tmp_path)
    result = evaluate_run(made_run(tmp_path), manifest, Scoring(choose_protocol("plain", "none"), baselines=False))
    assert result["rows"][0]["abs_rel"] == pytest.approx(0.0, abs=1e-3)


def test_input_free_row_is_the_mean_of_the_training_truth(tmp_path):
    training = [frame(tmp_path, k, (1,), (depth,) * 4, "train", "t") for k, depth in enumerate((2.0, 5.0))]
    Manifest([*training, golden(tmp_path)], tmp_path).write(tmp_path / "manifest.csv")
    run = made_run(tmp_path, source=str(tmp_path / "manifest.csv"))
    result = evaluate(run, tmp_path / "manifest.csv", Scoring(scale="none"))
    row = rows(result)["input_free"]
    guess = 1 / ((1 / 2 + 1 / 5) / 2)
    truth = np.array([2, 4, 10, 20])
    assert row["abs_rel"] == pytest.approx(np.mean(np.abs(truth - guess) / truth), abs=1e-5)
    assert row["note"] == "mean inverse depth of 2 training images"
    assert rows(result)["trained"]["abs_rel"] == pytest.approx(0.3625, abs=1e-5)


def test_input_free_row_leaves_the_scored_image_out_where_training_has_no_truth(tmp_path):
    depths = (2.0, 4.0, 8.0)
    manifest = Manifest([frame(tmp_path, k, (1,), (depth,) * 4) for k, depth in enumerate(depths)], tmp_path)
    result = evaluate_run(made_run(tmp_path), manifest, Scoring(choose_protocol("plain", "none")))
    row = rows(result)["input_free"]
    guesses = [2 / (1 / 4 + 1 / 8), 2 / (1 / 2 + 1 / 8), 2 / (1 / 2 + 1 / 4)]
    errors = [abs(depth - guess) / depth for depth, guess in zip(depths, guesses, strict=True)]
    assert row["abs_rel"] == pytest.approx(np.mean(errors), abs=1e-5)
    assert row["note"].startswith("leave-one-out")
    assert "not at hand" in row["note"]


def test_one_image_without_training_truth_has_no_input_free_row(tmp_path):
    result = evaluate_run(made_run(tmp_path), Manifest([golden(tmp_path)], tmp_path))
    assert [row["name"] for row in result["rows"]] == ["trained", "untrained"]


def test_mean_inverse_depth_by_hand():
    depth = np.array([[1.0, 0.0, 4.0, 4.0], [2.0, 2.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(cell_inverse_depth(depth, 1, 2), [[(1 + 0.5 + 0.5) / 3, 0.25]])
    mean = MeanInverseDepth(3, 2)
    mean.add(np.array([[0, 0], [2, 0], [0, 0]], np.float32))
    mean.add(np.array([[0, 0], [4, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(mean.mean(), [[0.375, 0.25]] * 3)  # unknown rows repeat the known one
    np.testing.assert_allclose(mean.mean(without=np.array([[0, 0], [4, 4], [0, 0]], np.float32)), [[0.5, 0.5]] * 3)
    np.testing.assert_array_equal(MeanInverseDepth(2, 2).mean(), np.ones((2, 2)))


def test_mean_over_a_manifest_skips_frames_without_truth(tmp_path):
    manifest = Manifest([golden(tmp_path), frame(tmp_path, 1)], tmp_path)
    assert input_free_inverse_depth(manifest, FrameOptions(height=8, width=16)).images == 1


def test_untrained_row_is_the_same_every_time_and_leaves_no_trace(tmp_path):
    run = made_run(tmp_path)
    run.method.train()
    manifest = Manifest([golden(tmp_path), frame(tmp_path, 1, (8,) * 4, (2, 3, 4, 5))], tmp_path)
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first, second = (rows(evaluate_run(run, manifest))["untrained"] for _ in range(2))
    assert first == second
    assert torch.equal(torch.random.get_rng_state(), before)
    assert run.method.training
    method, note = untrained_method(run)
    assert note == ""
    assert not method.training
    assert first["abs_rel"] > 0


def test_flip_blends_the_prediction_of_the_mirrored_picture(tmp_path):
    class LeftIsNear(RedMethod):
        def predict(self, images):
            near = torch.linspace(1.0, 0.1, images.shape[-1]).expand(len(images), 1, *images.shape[-2:])
            return {"inverse_depth": near, "disparity": near}

    inner = (0.0,) * 16 + (1.0,) * (WIDTH - 32)  # the edges have a rule of their own
    manifest = Manifest([frame(tmp_path, 0, (), inner)], tmp_path)
    run = made_run(tmp_path, method=LeftIsNear())
    protocol = choose_protocol("plain", "none")
    plain = evaluate_run(run, manifest, Scoring(protocol, baselines=False))
    both = evaluate_run(run, manifest, Scoring(protocol, flip=True, baselines=False))
    assert "flip off" in plain["stamp"]
    assert "flip on" in both["stamp"]
    assert plain["rows"][0]["abs_rel"] > 1.0
    assert both["rows"][0]["abs_rel"] == pytest.approx(1 / 0.55 - 1, rel=1e-5)


def test_files_hold_strict_json_with_the_protocol_and_a_row_for_each_image(tmp_path):
    Manifest([golden(tmp_path, k) for k in range(3)], tmp_path).write(tmp_path / "m.csv")
    run = made_run(tmp_path)
    seen = []
    result = evaluate(
        run,
        tmp_path / "m.csv",
        Scoring(limit=2),
        per_image=True,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 2), (2, 2)]
    path = run.path / "evaluation" / "plain.json"
    stored = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert stored["rows"][0]["abs_rel"] == result["rows"][0]["abs_rel"]
    digest = Manifest.read(tmp_path / "m.csv").select("val").digest()
    for part in (stored["protocol"], "128x64", "flip off", "2 images", digest, "step 7"):
        assert part in stored["stamp"]
    with path.with_suffix(".csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 * 2
    assert float(lines[0]["abs_rel"]) == pytest.approx(0.428846, abs=1e-5)
    assert {line["name"] for line in lines} == {"trained", "input_free", "untrained"}
    elsewhere = tmp_path / "other.json"
    evaluate(run, tmp_path / "m.csv", Scoring(baselines=False), json=elsewhere)
    assert json.loads(elsewhere.read_text())["step"] == 7


def test_which_frames_are_evaluated(tmp_path):
    manifest = Manifest([golden(tmp_path, 0, split="val"), golden(tmp_path, 1, split="test")], tmp_path)
    run = made_run(tmp_path)
    assert evaluate(run, manifest, Scoring(baselines=False))["images"] == 1
    assert evaluate(run, manifest, Scoring(baselines=False), split="test")["images"] == 1
    unnamed = Manifest([golden(tmp_path, k, split="") for k in range(2)], tmp_path)
    assert evaluate(run, unnamed, Scoring(baselines=False))["images"] == 2


def test_the_table_fits_a_console_and_shows_the_stamp(tmp_path):
    from rich.console import Console

    result = evaluate_run(made_run(tmp_path), Manifest([golden(tmp_path)], tmp_path))
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(result))
    text = console.export_text()
    console.file.close()
    assert "untrained" in text
    assert "0.429" in text
    assert "…" not in text
    assert result["data"] in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protocol": "eign"}, "eign.*eigen"),
        ({"scale": "mean"}, "scale 'mean' is unknown"),
        ({"scale": -1.0}, "impossible"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        evaluate(made_run(tmp_path), Manifest([golden(tmp_path)], tmp_path), Scoring(**arguments))
    with pytest.raises(InputError, match=r"no split .nowhere. but .val."):
        evaluate(made_run(tmp_path), Manifest([golden(tmp_path)], tmp_path), split="nowhere")
    assert not (tmp_path / "run").exists()


def test_bad_data(tmp_path):
    run = made_run(tmp_path)
    with pytest.raises(InputError, match="no measured depth"):
        evaluate(run, Manifest([frame(tmp_path, 0)], tmp_path))
    with pytest.raises(InputError, match="names no evaluation data"):
        evaluate(run)
    row = golden(tmp_path, 5)
    (tmp_path / "s5.png").write_bytes(b"\x89PNG truncated")
    with pytest.raises(InputError, match=r"s5\.png"):
        evaluate(run, Manifest([row], tmp_path), Scoring(baselines=False))
    (tmp_path / "way").write_text("a file in the way")
    with pytest.raises(InputError, match="cannot be written"):
        evaluate(
            run, Manifest([golden(tmp_path)], tmp_path), Scoring(baselines=False), json=tmp_path / "way" / "a.json"
        )


def test_a_run_that_cannot_be_written_is_evaluated_all_the_same(tmp_path, caplog):
    data, run = Manifest([golden(tmp_path)], tmp_path), made_run(tmp_path)
    kept = evaluate(run, data, json=tmp_path / "kept.json")
    run.path.write_text("in the way, as on a disk that is read only")
    assert evaluate(run, data, per_image=True) == kept
    assert "is shown only, not kept" in caplog.text
    assert "--json" in caplog.text
