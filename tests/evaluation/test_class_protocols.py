"""Means over 16 and 13 classes, with and without pixels of the classes that are left out (corda.md section 5.4)."""

import math

import pytest
import torch

from tests.evaluation.class_runs import RedMethod, frame, halves, made_run, trained
from vergence.data.labels import CAMVID_11, CITYSCAPES_19, LabelSpace
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.class_protocols import CLASS_PROTOCOLS, class_protocol
from vergence.evaluation.console_tables import tables
from vergence.evaluation.evaluate import Scoring, evaluate, evaluate_run
from vergence.evaluation.segmentation import ClassScores
from vergence.metrics.segmentation import only_truth_of, scores

FACT_22 = torch.tensor([[8, 2, 0], [1, 9, 0], [0, 4, 0]])


def test_conventions_of_absent_classes():
    """corda.md section 8, fact 22: the mean over all rescaled, over the classes that are there, and with a drop."""
    everything, counted, dropped = scores(FACT_22), scores(FACT_22, [0, 1]), scores(FACT_22, [0, 1], drop=True)
    torch.testing.assert_close(everything["class_iou"], torch.tensor([8 / 11, 0.5625, 0]).double())
    assert everything["miou"] == pytest.approx(0.429924, abs=1e-6)
    assert everything["miou"] * 3 / 2 == pytest.approx(0.644886, abs=1e-6)
    assert counted["miou"] == pytest.approx(0.644886, abs=1e-6)
    assert dropped["miou"] == pytest.approx(0.738636, abs=1e-6)
    assert counted["pixel_accuracy"] == dropped["pixel_accuracy"] == pytest.approx(17 / 20)
    assert counted["mean_accuracy"] == pytest.approx((0.8 + 0.9) / 2)
    assert everything["pixel_accuracy"] == pytest.approx(17 / 24)
    assert only_truth_of(FACT_22, [0, 1]).tolist() == [[8, 2, 0], [1, 9, 0], [0, 0, 0]]


@pytest.mark.parametrize(("nineteen", "sixteen"), [(0.4771, 56.66), (0.467, 55.46)])
def test_rescaling_from_nineteen_to_sixteen(nineteen, sixteen):
    """corda.md section 8, fact 23: what the released script and its readers do by hand is the counted mean."""
    assert round(100 * nineteen * 19 / 16, 2) == sixteen
    confusion = torch.zeros(19, 19, dtype=torch.int64)
    absent = [CITYSCAPES_19.classes.index(name) for name in ("terrain", "truck", "train")]
    right, wrong = round(1e6 * nineteen * 19 / 16), 10**6 - round(1e6 * nineteen * 19 / 16)
    for k in set(range(19)) - set(absent):
        confusion[k, k] = right
        confusion[absent[k % 3], k] = wrong  # absent classes are taken for others and never right
    kept = CLASS_PROTOCOLS["synthia16"].averaged(CITYSCAPES_19.classes)
    assert scores(confusion)["miou"] == pytest.approx(nineteen, abs=1e-6)
    assert 100 * scores(confusion, kept)["miou"] == pytest.approx(sixteen, abs=0.005)
    assert scores(confusion, kept, drop=True)["miou"] == 1


def test_classes_of_the_protocols():
    def names(protocol):
        return [CITYSCAPES_19.classes[k] for k in CLASS_PROTOCOLS[protocol].averaged(CITYSCAPES_19.classes)]

    assert names("all") == list(CITYSCAPES_19.classes)
    assert names("synthia16") == names("synthia16_dropped")
    assert set(CITYSCAPES_19.classes) - set(names("synthia16")) == {"terrain", "truck", "train"}
    assert set(names("synthia16")) - set(names("synthia13")) == {"wall", "fence", "pole"}
    assert len(names("synthia13_dropped")) == 13


def test_spaces_of_other_names_and_without_the_classes():
    mine = [("pedestrian" if name == "person" else name) for name in CITYSCAPES_19.classes if name != "train"]
    space = LabelSpace("mine", tuple(mine), CITYSCAPES_19.colours[:18])
    assert len(class_protocol("synthia16").averaged(space.classes)) == 16
    with pytest.raises(InputError, match="classes synthia13 is a mean over 13 classes of Cityscapes, and this run has"):
        class_protocol("synthia13").averaged(CAMVID_11.classes)
    assert class_protocol("all").averaged(CAMVID_11.classes) == list(range(11))
    with pytest.raises(InputError, match="classes 'synthia' is unknown; choose one of all, synthia16"):
        class_protocol("synthia")


def test_numbers_of_one_image():
    truck, car, road = (CITYSCAPES_19.classes.index(name) for name in ("truck", "car", "road"))
    label = torch.tensor([[road, car, truck, 255]])
    prediction = torch.tensor([[road, car, car, car]])
    found = {}
    for name in ("all", "synthia16", "synthia16_dropped"):
        one = ClassScores("trained", "", CITYSCAPES_19, class_protocol(name))
        one.add(prediction, label)
        (row,), summary = one.image_rows(["a.png"]), one.summary()
        assert row["miou"] == pytest.approx(summary["miou"])
        assert row["pixel_accuracy"] == pytest.approx(summary["pixel_accuracy"])
        assert ("truck" in row) == ("truck" in summary["class_iou"]) == (name == "all")
        assert math.isnan(row["sky"])
        found[name] = (row["miou"], row["pixels"])
    assert found == {
        "all": (pytest.approx(0.5), 3),
        "synthia16": (pytest.approx(0.75), 2),
        "synthia16_dropped": (1, 2),
    }


def test_the_stamp_names_the_convention():
    assert class_protocol("all").describe() == ""
    assert (
        class_protocol("synthia16").describe()
        == "without terrain, truck, train, their labelled pixels counted as errors"
    )
    assert class_protocol("synthia13_dropped").describe().endswith("train, their labelled pixels dropped")


class NineteenClasses(RedMethod):
    """Says road, car or truck where RedMethod says 0, 1 or 2."""

    label_space = CITYSCAPES_19

    def predict(self, images):
        three = super().predict(images)["logits"]
        logits = torch.full((len(three), 19, *three.shape[2:]), -100.0)
        logits[:, [CITYSCAPES_19.classes.index(name) for name in ("road", "car", "truck")]] = three
        return {"logits": logits}


def test_a_run_by_a_protocol(tmp_path):
    car, truck = (CITYSCAPES_19.classes.index(name) for name in ("car", "truck"))
    row = frame(tmp_path, 0, halves(0, 1), halves(truck, car), space="cityscapes19")
    run, data = made_run(tmp_path, method=NineteenClasses(), classes="synthia16_dropped"), Manifest([row], tmp_path)
    counted = evaluate(run, data, Scoring(classes="synthia16", baselines=False))
    assert counted["name"] == "segmentation-working-synthia16"
    assert (
        "(1 of 16 classes in the labels, without terrain, truck, train, their labelled pixels counted as"
        in (counted["segmentation"]["stamp"])
    )
    assert counted["segmentation"]["classes"] == "synthia16"
    assert trained(counted)["class_iou"]["road"] == 0
    assert trained(counted)["miou"] == 0.5
    assert (tmp_path / "run" / "evaluation" / "segmentation-working-synthia16.json").is_file()
    assert trained(evaluate_run(run, data, Scoring(baselines=False)))["miou"] == 1
    for table in tables(counted):
        assert "truck" not in [str(cell) for column in table.columns for cell in column.cells]
    with pytest.raises(InputError, match="classes synthia16 is a mean over 16"):
        evaluate(made_run(tmp_path), data, Scoring(classes="synthia16", baselines=False))
