import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.scored_runs import HEIGHT, WIDTH, frame, golden, made_run
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.depth_scores import choose_protocol
from vergence.evaluation.evaluate import Scoring, evaluate, evaluate_run


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


def test_what_is_said_of_the_data_is_said_once(tmp_path, caplog):
    """Baselines read the frames of training, of the same manifest."""
    Manifest([golden(tmp_path, k) for k in range(3)], tmp_path).write(tmp_path / "m.csv")
    run = made_run(tmp_path)
    run.config.frames.source = str(tmp_path / "m.csv")
    with caplog.at_level("INFO", "vergence"):
        evaluate(run, tmp_path / "m.csv")
    assert sum("recognised as manifest" in message for message in caplog.messages) == 1


def test_which_frames_are_evaluated(tmp_path):
    manifest = Manifest([golden(tmp_path, 0, split="val"), golden(tmp_path, 1, split="test")], tmp_path)
    run = made_run(tmp_path)
    assert evaluate(run, manifest, Scoring(baselines=False))["images"] == 1
    assert evaluate(run, manifest, Scoring(baselines=False), split="test")["images"] == 1
    unnamed = Manifest([golden(tmp_path, k, split="") for k in range(2)], tmp_path)
    assert evaluate(run, unnamed, Scoring(baselines=False))["images"] == 2


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
