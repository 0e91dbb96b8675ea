import csv
import dataclasses
import json

import numpy as np
import pytest
import torch

from tests.evaluation.class_runs import HEIGHT, WIDTH, RedMethod, frame, halves, made_run, trained, untrained_says_sky
from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.baselines import MostFrequentClass
from vergence.evaluation.evaluate import Scoring, evaluate, evaluate_run
from vergence.evaluation.segmentation import best_class
from vergence.inference.network_maps import predict_maps
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig
from vergence.runs.config_sections import parse_size
from vergence.settings.networks import CordaNetworkConfig


class BothMethod(RedMethod):
    """Also says that all is at 5."""

    tasks = ("depth", "segmentation")

    def predict(self, images):
        return {**super().predict(images), "inverse_depth": torch.full_like(images[:, :1], 0.2)}


@pytest.fixture(autouse=True)
def _untrained(monkeypatch):
    untrained_says_sky(monkeypatch)


def test_one_confusion_matrix_over_all_images(tmp_path):
    # road is right in the first image and half missing in the second; ignored pixels do not count
    wrong = halves(0, 0)
    manifest = Manifest(
        [frame(tmp_path, 0, halves(0, 1), halves(0, 1)), frame(tmp_path, 1, wrong, halves(255, 1))], tmp_path
    )
    result = evaluate_run(made_run(tmp_path), manifest, Scoring(baselines=False))
    row = trained(result)
    # sky: 1 right, 1 too many of 2 predicted; road: 1 of 2; car: nobody saw it
    assert row["class_iou"] == pytest.approx({"sky": 0.5, "road": 0.5, "car": np.nan}, nan_ok=True)
    assert row["miou"] == pytest.approx(0.5)
    assert row["pixel_accuracy"] == pytest.approx(2 / 3)
    assert result["rows"] == []
    assert result["images"] == 2
    assert result["segmentation"]["pixels"] == 3 * HEIGHT * WIDTH // 2
    assert "2 of 3 classes in the labels" in result["stamp"]


def test_working_resolution_shrinks_labels_by_nearest_neighbour_and_native_enlarges_logits(tmp_path):
    size = (2 * HEIGHT, 2 * WIDTH)
    label = halves(0, 1, size)
    label[::2] = 2  # half of the rows: nearest neighbour sees only one kind
    manifest = Manifest([frame(tmp_path, 0, halves(0, 1, size), label)], tmp_path)
    run = made_run(tmp_path)
    working = evaluate(run, manifest, Scoring(baselines=False))
    assert working["segmentation"]["pixels"] == HEIGHT * WIDTH
    assert "prediction and labels at network size 128x64" in working["stamp"]
    assert trained(working)["pixel_accuracy"] in (0.0, 1.0)
    native = evaluate(run, manifest, Scoring(resolution="native", baselines=False))
    assert native["segmentation"]["pixels"] == 4 * HEIGHT * WIDTH
    assert "the labels' own size 256x128" in native["stamp"]
    assert trained(native)["pixel_accuracy"] == pytest.approx(0.5, abs=0.01)
    asked = evaluate(run, manifest, Scoring(resolution="64x32", baselines=False))
    assert asked["segmentation"]["pixels"] == 64 * 32
    assert "labels at 64x32" in asked["stamp"]
    assert {path.name for path in (run.path / "evaluation").iterdir()} == {
        "segmentation-working.json", "segmentation-native.json", "segmentation-64x32.json",
    }  # fmt: skip


def test_labels_may_be_larger_than_their_images_but_not_of_another_shape(tmp_path):
    row = frame(tmp_path, 0, halves(0, 1), halves(0, 1, (2 * HEIGHT, 2 * WIDTH)))
    run = made_run(tmp_path)
    assert trained(evaluate_run(run, Manifest([row], tmp_path), Scoring(baselines=False)))["miou"] == 1
    odd = frame(tmp_path, 1, halves(0, 1), halves(0, 1, (HEIGHT, HEIGHT)))
    with pytest.raises(InputError, match=r"val1_label\.png is 64x64, but its image is 128x64"):
        evaluate_run(run, Manifest([odd], tmp_path), Scoring(baselines=False))


def test_labels_of_another_space_are_mapped(tmp_path):
    label = np.full((HEIGHT, WIDTH), 13)  # a car of Cityscapes
    label[:32] = 5  # a pole, which the run does not know
    manifest = Manifest([frame(tmp_path, 0, halves(2, 2), label, space="cityscapes19")], tmp_path)
    result = evaluate_run(made_run(tmp_path), manifest, Scoring(baselines=False))
    assert trained(result)["miou"] == 1
    assert result["segmentation"]["pixels"] == 32 * WIDTH


def test_input_free_answer_is_the_most_frequent_class_of_the_training_labels(tmp_path):
    training = [frame(tmp_path, k, halves(0, 0), halves(0, 1), "train") for k in range(2)]
    training.append(frame(tmp_path, 2, halves(0, 0), halves(0, 2), "train"))
    Manifest([*training, frame(tmp_path, 3, halves(0, 0), halves(0, 1))], tmp_path).write(tmp_path / "manifest.csv")
    run = made_run(tmp_path, source=str(tmp_path / "manifest.csv"))
    result = evaluate(run)
    rows = {row["name"]: row for row in result["segmentation"]["rows"]}
    assert list(rows) == ["trained", "input_free", "untrained"]
    assert rows["input_free"]["miou"] == 1
    assert rows["input_free"]["note"] == "most frequent class at each position of 3 training labels"
    assert rows["trained"]["miou"] == rows["untrained"]["miou"] == pytest.approx((0.5 + 0) / 2)


def test_without_training_labels_the_scored_label_is_left_out(tmp_path):
    labels = [halves(0, 1), halves(0, 1), halves(2, 1)]
    manifest = Manifest([frame(tmp_path, k, label, label) for k, label in enumerate(labels)], tmp_path)
    rows = evaluate_run(made_run(tmp_path), manifest)["segmentation"]["rows"]
    assert rows[1]["note"].startswith("leave-one-out")
    # the first two are answered right or, where one of each is left, by the class of the row; the third never is
    assert rows[1]["class_iou"]["car"] == 0
    assert rows[1]["class_iou"]["road"] == 1


def test_most_frequent_class_by_hand():
    prior = MostFrequentClass(3)
    for label in (halves(0, 1), halves(0, 2), halves(255, 2)):
        prior.add(label)
    np.testing.assert_array_equal(prior.answer((HEIGHT, WIDTH)), halves(0, 2))
    np.testing.assert_array_equal(prior.answer((30, 50)), halves(0, 2, (30, 50)))
    # 1 and 2 are equally frequent on the right: all of the row decides
    tie = prior.answer((4, 8), without=halves(255, 2))
    assert set(tie[:, 4:].flatten().tolist()) <= {1, 2}
    nothing = MostFrequentClass(3)
    nothing.add(np.full((4, 4), 255, np.uint8))
    assert nothing.answer((4, 4)).tolist() == [[0] * 4] * 4
    sparse = MostFrequentClass(3)
    sparse.add(np.array([[2, 255], [255, 255]], np.uint8))
    assert sparse.answer((2, 2)).tolist() == [[2, 2], [2, 2]]  # nothing is known below: the whole picture's class


def test_windows_and_flip_are_in_the_stamp(tmp_path):
    manifest = Manifest([frame(tmp_path, 0, halves(0, 1), halves(0, 1))], tmp_path)
    plain = evaluate_run(made_run(tmp_path), manifest, Scoring(baselines=False))
    assert "flip off · whole pictures" in plain["stamp"]
    result = evaluate_run(made_run(tmp_path, window="32x64"), manifest, Scoring(flip=True, baselines=False))
    assert "flip on · windows of 32x64 overlapping by 50%" in result["stamp"]
    assert trained(result)["miou"] == 1
    asked = evaluate(made_run(tmp_path, window="32x64"), manifest, Scoring(window="none", baselines=False))
    assert asked["segmentation"]["window"] is None


@pytest.mark.parametrize(("text", "size"), [("128x64", (64, 128)), ("96", (96, 96)), ("2048X1024", (1024, 2048))])
def test_sizes(text, size):
    assert parse_size(text, "window") == size


@pytest.mark.parametrize("text", ["wide", "0x4", "1x2x3", "-4", ""])
def test_no_sizes(text):
    with pytest.raises(InputError, match="is no size; give WIDTHxHEIGHT"):
        parse_size(text, "window")


def test_depth_and_classes_in_one_pass(tmp_path):
    rows = [frame(tmp_path, k, halves(0, 1), halves(0, 1) if k else None) for k in range(3)]
    np.save(tmp_path / "depth.npy", np.full((HEIGHT, WIDTH), 4.0, np.float32))
    manifest = Manifest([dataclasses.replace(row, depth="depth.npy") for row in rows[:2]] + rows[2:], tmp_path)
    run = made_run(tmp_path, method=BothMethod())
    result = evaluate(run, manifest, Scoring(scale="none", baselines=False), per_image=True)
    assert result["rows"][0]["abs_rel"] == pytest.approx(0.25)
    assert trained(result)["miou"] == 1
    assert result["protocol"].startswith("plain")
    assert result["segmentation"]["protocol"].startswith("mIoU of toy")
    assert {path.name for path in (run.path / "evaluation").iterdir()} == {
        "plain-segmentation-working.json",
        "plain-segmentation-working.csv",
        "plain-segmentation-working-segmentation.csv",
        "plain-segmentation-working-depth-classes.csv",
    }


def test_files(tmp_path):
    (tmp_path / "run").mkdir()
    lines = [{"event": "labelled", "digest": "old", "describe": "old"}, {"event": "labelled", "digest": "a1b2",
             "describe": "2 of 5 labels, seed 7"}]  # fmt: skip
    (tmp_path / "run" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"labelled')
    labels = [halves(0, 1), halves(255, 255), halves(2, 1)]
    manifest = Manifest([frame(tmp_path, k, halves(0, 1), label) for k, label in enumerate(labels)], tmp_path)
    run = made_run(tmp_path)
    result = evaluate(run, manifest, Scoring(baselines=False), per_image=True)
    assert result["images"] == 2
    for part in ("2 images", manifest.digest(), "step 7", "trained with 2 of 5 labels, seed 7 (a1b2)"):
        assert part in result["segmentation"]["stamp"]
    path = run.path / "evaluation" / "segmentation-working.json"
    stored = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert stored["segmentation"]["rows"][0]["miou"] == trained(result)["miou"]
    with path.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["val0.png", "val2.png"]
    assert float(rows[0]["miou"]) == 1
    assert float(rows[1]["miou"]) == pytest.approx(1 / 3)
    assert float(rows[1]["road"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": "full"}, "resolution 'full' is no size; give working, native or WIDTHxHEIGHT"),
        ({"window": "big"}, "window 'big' is no size"),
        ({"window": "64x64", "overlap": 1.0}, "overlap is 1.0; give 0 or more, less than 1"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        evaluate(
            made_run(tmp_path),
            Manifest([frame(tmp_path, 0, halves(0, 1), halves(0, 1))], tmp_path),
            Scoring(**arguments),
        )
    assert not (tmp_path / "run").exists()


def test_bad_data(tmp_path):
    run = made_run(tmp_path)
    with pytest.raises(InputError, match=r"has no labels \(column label\) for any of its 1 frames"):
        evaluate(run, Manifest([frame(tmp_path, 0, halves(0, 1))], tmp_path))
    with pytest.raises(InputError, match="has labels, but none of their pixels is of a class of toy"):
        evaluate(
            run, Manifest([frame(tmp_path, 0, halves(0, 1), halves(255, 255))], tmp_path), Scoring(baselines=False)
        )
    both = made_run(tmp_path, method=BothMethod())
    with pytest.raises(InputError, match=r"no labels \(column label\) and no measured depth"):
        evaluate(both, Manifest([frame(tmp_path, 0, halves(0, 1))], tmp_path))


def test_logits_of_corda_are_resized_once_with_corners_aligned() -> None:
    """Not to the network's size first: twice, or with half-pixel centres, other classes win near borders."""
    network = CordaNetworkConfig(variant="dacs", encoder="resnet18", weights="none", width=8)
    options = FrameOptions(height=64, width=96, label_space="toy:a#000000,b#0000ff,c#00ff00")
    method = CordaMethod(CordaConfig(network=network, depth=False, difficulty="off"), options).eval()
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        small = method.network(images)["logits"]
        found = predict_maps(method, images, small=True)["logits"]
        full = predict_maps(method, images)["logits"]
    torch.testing.assert_close(found, small)
    assert full.shape[-2:] == (64, 96)
    expected = torch.nn.functional.interpolate(small[:1].double(), (200, 300), mode="bilinear", align_corners=True)
    got = best_class(found[0], (200, 300), method.corners_aligned)
    assert (got == expected[0].argmax(0)).float().mean() > 0.9999
    assert (got != best_class(full[0], (200, 300))).any()
