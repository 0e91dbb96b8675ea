"""When a claim is confirmed, refuted, undecided, thrown out; that runs are resumed and never run twice; the page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from benchmarks.claims import bf16, corda, depth_start, kitti_video, mixing, real_semhint, recipes, semhint, state
from benchmarks.claims.__main__ import complete
from benchmarks.claims.carried_labels import keys_of
from benchmarks.claims.chosen_frames import pool_of, within
from benchmarks.claims.claim import Claim, Comparison, gains, head_room, interval, judged, verdict
from benchmarks.claims.lab import Lab
from benchmarks.claims.page import in_points, overview, picture, section
from benchmarks.claims.probe import Frames, Lesson, learned, scored
from benchmarks.claims.real_depth import FINER, OTHERS, input_free, score, teaches
from benchmarks.claims.registry import CLAIMS
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import write_depth_png
from vergence.data.rows.frame_row import FrameRow
from vergence.runs.config import read_config
from vergence.selection.reach import Reach


def claim_of(values: dict[str, float], seeds: int = 4, **changes) -> Claim:
    """Variants score these values, with a spread over seeds that pairs share."""

    def run(lab: object, variant: str, seed: int) -> dict:
        lab.append((variant, seed))
        return {"miou": values[variant] + 0.05 * (seed % 3) + 0.001 * seed * (variant == "new")}

    claim = Claim(
        "made_up", "New is better than old.", "Invented.", ("old", "new"), (Comparison("new", "old"),), seeds, run,
        seconds=1, few="old", full="all",
    )  # fmt: skip
    return replace(claim, **changes)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "RESULTS", tmp_path)
    monkeypatch.setattr("benchmarks.claims.__main__.write_page", lambda claims: None)
    return tmp_path


def test_interval_is_students() -> None:
    found = interval([1.0, 2.0, 3.0])
    assert (found.mean, found.seeds) == (2.0, 3)
    assert found.high - found.mean == pytest.approx(4.303 / 3**0.5)
    assert interval([0.5] * 40).low == 0.5
    assert judged(interval([0.3]), 1) == "undecided"  # one seed says nothing
    assert judged(interval([]), 8) == "not run"
    assert [judged(interval([-0.5, -0.3, -0.4]), 3, margin) for margin in (0, 0.7, 0.1)] == [
        "refuted", "confirmed", "refuted",
    ]  # fmt: skip


def test_convolutions_in_bf16_round_operands_and_results_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    draw = [torch.randn(shape, generator=generator) for shape in ((2, 3, 9, 12), (4, 3, 3, 3), (4,))]
    given = torch.randn(2, 4, 9, 12, generator=generator).bfloat16()
    leaves = [one.clone().requires_grad_() for one in draw]
    with bf16.bf16_convolutions(), torch.autocast("cpu", torch.bfloat16):
        out = F.conv2d(*leaves, padding=1)
    assert out.dtype == torch.bfloat16
    found = [out, *torch.autograd.grad(out, leaves, given)]
    exact = [one.bfloat16().double().requires_grad_() for one in draw]
    truth = F.conv2d(*exact, padding=1)
    for one, wanted in zip(found, [truth, *torch.autograd.grad(truth, exact, given.double())], strict=True):
        assert torch.allclose(one.double(), wanted, rtol=2**-8, atol=1e-5)
        assert torch.equal(one, one.bfloat16().to(one.dtype))
    with bf16.bf16_convolutions():
        assert torch.equal(F.conv2d(*draw), torch.conv2d(*draw))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"old": 0.3, "new": 0.35, "all": 0.5}, "confirmed"),
        ({"old": 0.3, "new": 0.2, "all": 0.5}, "refuted"),
        ({"old": 0.3, "new": 0.2985, "all": 0.5}, "undecided"),
        ({"old": 0.3, "new": 0.4, "all": 0.34}, "thrown out"),
    ],
)
def test_verdicts(results, values: dict[str, float], said: str) -> None:
    claim, lab = claim_of(values), []
    complete(claim, lab, hours=1)
    rows = state.rows_of(claim)
    assert verdict(claim, rows) == said
    if said == "thrown out":  # nothing but the gate was run
        assert {variant for variant, _ in lab} == {"old", "all"}
        assert "thrown out" in section(claim, rows)
    else:
        assert len(lab) == len(set(lab)) == 4 * 2 + 3


def test_a_claim_is_not_decided_before_all_seeds_are_there(results) -> None:
    claim, lab = claim_of({"old": 0.3, "new": 0.4, "all": 0.5}), []
    short = replace(claim, seeds=3)
    complete(short, lab, hours=1)
    rows = state.rows_of(claim)
    assert verdict(claim, rows) == "undecided"
    assert "about" in overview([(claim, rows)])


def test_runs_are_gone_on_with_and_the_budget_holds(results, monkeypatch) -> None:
    claim, lab = claim_of({"old": 0.3, "new": 0.4, "all": 0.5}), []
    complete(replace(claim, seeds=2), lab, hours=1)
    before = len(lab)
    complete(replace(claim, seeds=3), lab, hours=1)
    assert len(lab) == len(set(lab)) > before
    monkeypatch.setattr("benchmarks.claims.__main__.CLAIMS", (claim,))
    complete(claim, lab, hours=-1)
    assert verdict(claim, state.rows_of(claim)) == "undecided"


def test_smaller_is_better_where_it_is_said() -> None:
    rows = [
        {"variant": name, "seed": str(seed), "abs_rel": str(value + seed)}
        for seed in range(4)
        for name, value in (("old", 0.3), ("new", 0.25))
    ]
    comparison = Comparison("new", "old", "abs_rel", lower=True)
    assert gains(rows, comparison) == pytest.approx([0.05] * 4)
    assert in_points(interval(gains(rows, comparison))) == "+5.0 (+5.0 to +5.0)"
    assert gains(rows[:-1], comparison) == pytest.approx([0.05] * 3)  # a seed without its pair does not count


def test_the_page_says_what_was_not_run() -> None:
    claim = claim_of({})
    assert "Not run. 11 runs" in section(claim, [])
    assert "not run" in overview([(claim, [])])
    assert picture([(claim, [])]).startswith("<svg")


def test_registered_claims_are_sound() -> None:
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        named = {name for one in claim.comparisons for name in (one.better, one.worse)}
        assert named <= {*claim.variants, claim.few, claim.full}
        assert claim.seeds >= 8
        assert bool(claim.few) == bool(claim.full)
        assert head_room(claim, []) is None


def test_the_input_free_map_of_a_picture_is_the_mean_of_the_others(tmp_path: Path) -> None:
    """Truth is 10 m in the left half and 10, 20 and 40 m in the right one: after median scaling the left is right."""
    rows = []
    for name, right in (("a", 10.0), ("b", 20.0), ("c", 40.0)):
        depth = np.full((100, 100), 10.0, dtype=np.float32)
        depth[:, 50:] = right
        depth[60:, :] = 10.0  # most of the crop, so that the median is of it
        write_depth_png(tmp_path / f"{name}.png", depth)
        Image.new("RGB", (100, 100)).save(tmp_path / f"{name}.jpg")
        rows.append(FrameRow(f"{name}.jpg", "s", len(rows), "test", depth=f"{name}.png"))
    lab = Lab(tmp_path, tmp_path)
    for file in ("real-pictures", "real-video"):
        Manifest(rows, tmp_path, "pictures").write(tmp_path / f"{file}.parquet")
    scores = input_free(lab, 100, 100)
    said = [1 / ((1 / 20 + 1 / 40) / 2), 1 / ((1 / 10 + 1 / 40) / 2), 1 / ((1 / 10 + 1 / 20) / 2)]
    rows_of_crop, upper = 99 - 41, 60 - 41  # Garg's crop
    for number, (right, guess) in enumerate(zip((10, 20, 40), said, strict=True)):
        found = score(scores, "input_free", number)["abs_rel"]
        expected = abs(guess / right - 1) * 0.5 * upper / rows_of_crop
        assert found == pytest.approx(expected, rel=0.05)
        assert FINER.run(lab, OTHERS, number)["abs_rel"] == pytest.approx(found, rel=0.1)  # at its own size


def test_a_head_learns_from_kept_features_and_is_scored_over_classes_that_are_there() -> None:
    generator = torch.Generator().manual_seed(0)
    space = label_space("toy:road#804080,sky#4682b4,car#00008e")
    labels, features = [], []
    for _ in range(6):
        label = torch.zeros(32, 64, dtype=torch.uint8)
        label[:, int(torch.randint(16, 48, (1,), generator=generator)) :] = 1
        maps = F.interpolate(label[None, None].float(), (8, 16))[0].repeat(4, 1, 1)
        features.append([F.avg_pool2d(maps, 2**level).half() for level in range(4)])
        labels.append(label)
    frames = Frames(Manifest([], "."), features, labels, space, (32, 64))
    found = scored(learned(Lesson(frames, [0, 1, 2]), seed=0, steps=40), frames, [3, 4, 5], "clip ")
    assert found["clip pixel_accuracy"] > 0.9
    assert {key for key in found if "iou" in key} == {"clip miou", "clip iou road", "clip iou sky"}  # there is no car
    guess = [torch.full_like(label, 2) for label in labels]  # labels of one's own are what is learned
    wrong = scored(learned(Lesson(frames, [0, 1, 2], guess[:3]), seed=0, steps=40), frames, [3, 4, 5])
    assert wrong["pixel_accuracy"] < 0.1


def test_keys_and_pools_differ_by_seed_and_fit() -> None:
    drawn = [keys_of(seed, 101) for seed in range(20)]
    assert all(0 <= key < 101 for keys in drawn for key in keys)
    assert len({tuple(keys) for keys in drawn}) > 10
    rows = [FrameRow(f"{k}.png", f"{kind} {k}", k) for kind in ("drive", "standing") for k in range(12)]
    frames = Frames(Manifest(rows, "."), [], [], label_space("camvid11"), (1, 1))
    kinds = [rows[place].sequence.split()[0] for place in pool_of(frames, 3)]
    assert (kinds.count("drive"), kinds.count("standing")) == (5, 7)
    assert pool_of(frames, 3) == pool_of(frames, 3) != pool_of(frames, 4)
    inside = {4: 0, 9: 1}
    assert within(Reach(np.array([9, 4]), np.array([0.5, 1.0])), inside).targets.tolist() == [1, 0]


def test_frames_that_may_teach_are_those_of_the_protocol() -> None:
    protocol = {"depth_train_clips": {"whole": "all", "part": [0, 2]}}
    rows = [FrameRow(f"{clip}/images/{k:06d}.jpg", clip, k) for clip in ("whole", "part", "never") for k in (2, 3)]
    assert [row.image for row in rows if teaches(row, protocol)] == [
        "whole/images/000002.jpg", "whole/images/000003.jpg", "part/images/000002.jpg"
    ]  # fmt: skip


def test_stills_and_video_keep_apart_who_teaches_and_who_judges(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    if not lab.data.is_dir():
        pytest.skip("needs the driving video of ../shared/data")
    few, more = (kitti_video.stills_and_video(lab, count, seed=3) for count in (10, 30))
    labelled = [{row.image for row in one if row.label and row.split == "train"} for one in (few, more)]
    assert [len(one) for one in labelled] == [10, 30]
    assert labelled[0] < labelled[1]
    assert sum(row.split == "val" for row in few) == 44
    video = [row.image for row in few if not row.label]
    assert len(video) > 1000
    assert all("/kitti_" in image and "kitti_avenue" not in image for image in video)
    assert not {row.image for row in few if row.split == "val"} & (labelled[1] | set(video))
    noisy = real_semhint.noisy_video(lab)
    assert all(Path(row.pseudo_label).is_file() and not row.label for row in noisy)
    assert {Path(row.image).stem for row in noisy} <= {Path(row.pseudo_label).stem for row in noisy}


@pytest.mark.parametrize(
    "claim", [bf16.CLAIM, depth_start.TUNED, mixing.CLAIM, corda.CLAIM, semhint.CLAIM], ids=lambda one: one.name
)
def test_recipes_of_claims_know_their_settings(claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(recipe: str, words: Sequence[str], data: Path, folder: Path) -> Path:
        read_config(recipe, words)
        known.append(recipe)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def numbers(*_: object, **__: object) -> dict[str, float]:
        return {}

    known: list[str] = []
    monkeypatch.setattr(recipes, "trained", trained)
    monkeypatch.setattr(Lab, "_town", lambda self, name, options: tmp_path / f"{name}.parquet")
    monkeypatch.setattr(recipes, "class_numbers", numbers)
    monkeypatch.setattr(corda, "class_numbers", numbers)
    monkeypatch.setattr(corda, "rank_errors", numbers)
    monkeypatch.setattr(recipes, "depth_numbers", numbers)
    variants = [*claim.variants, *([claim.full] if claim.full else [])]
    for variant in variants:
        claim.run(Lab(tmp_path), variant, 0)
    assert len(known) >= len(variants)
