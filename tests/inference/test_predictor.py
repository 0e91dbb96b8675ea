"""The door: what is loaded, what may be given, what is seen, and that it is what ``vergence predict`` writes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vergence
from tests.inference.stored import picture, stored_run, video
from tests.ply import read_ply
from vergence.data.measured.depth_files import read_depth_png
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.inference.predictor import Predictor


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_run(tmp_path_factory.mktemp("runs") / "seg")


@pytest.fixture(scope="module")
def model(run: Path) -> Predictor:
    return vergence.load(run, "cpu")


def test_the_same_numbers_as_predict_writes(run: Path, model: Predictor, tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "frame.png")
    seen = model.predict(tmp_path / "frame.png")
    out = tmp_path / "out"
    record = vergence.predict(run, tmp_path / "frame.png", out, array=True, confidence=True, device="cpu")
    assert np.array_equal(np.load(out / "array" / "frame.npy"), seen.depth)
    stored = read_depth_png(out / "depth" / "frame.png", record["png_factor"])
    assert np.abs(stored - seen.depth).max() <= 0.5 / record["png_factor"] + 1e-6
    assert np.array_equal(np.asarray(Image.open(out / "labels" / "frame.png")), seen.classes)
    sure = np.asarray(Image.open(out / "confidence" / "frame.png"))
    assert np.abs(sure / 255 - seen.confidence).max() <= 0.5 / 255 + 1e-6
    assert (record["unit"], record["classes"][1]["name"]) == (seen.unit, seen.class_names[1])


def test_every_way_to_give_a_picture_gives_the_same(model: Predictor, tmp_path: Path) -> None:
    array = picture()
    Image.fromarray(array).save(tmp_path / "frame.png")
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    alpha = np.dstack([array, np.full(array.shape[:2], 9, np.uint8)])
    given = [str(tmp_path / "frame.png"), Image.fromarray(array), array, alpha, tensor, tensor.float() / 255]
    seen = model.predict(given)
    for one in seen:
        assert one.depth.shape == one.classes.shape == one.confidence.shape == array.shape[:2]
        assert (one.depth.dtype, one.classes.dtype, one.confidence.dtype) == (np.float32, np.uint8, np.float32)
        np.testing.assert_allclose(one.depth, seen[0].depth, rtol=1e-4)
        np.testing.assert_allclose(one.depth * one.inverse_depth, 1, rtol=1e-5)
        assert np.array_equal(one.image, array)


def test_pil_images_are_upright_as_files_are(model: Predictor, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(picture()).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        seen = model.predict(image)
    assert seen.depth.shape == (160, 90)
    assert np.array_equal(seen.image, model.predict(tmp_path / "turned.png").image)


def test_pictures_of_different_sizes_keep_theirs(model: Predictor) -> None:
    sizes = [(90, 160), (40, 50), (90, 160)]
    seen = model.predict([picture(k, *size) for k, size in enumerate(sizes)])
    assert [one.depth.shape for one in seen] == sizes
    assert model.predict([]) == []


def test_a_stream_holds_few_frames(model: Predictor, tmp_path: Path) -> None:
    given = []

    def camera():
        for number in range(50):
            given.append(number)
            yield picture(number)

    stream = model.stream(camera())
    next(stream)
    assert len(given) <= model.batch_size + 1
    assert len(list(model.stream(video(tmp_path / "drive.mp4")))) == 5
    names = [one.name for one in model.stream(tmp_path / "drive.mp4", limit=2)]
    assert names == ["000000", "000001"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "picture is given as type int, expected a path"),
        (None, "NoneType"),
        ({"image": 1}, "dict"),
        (np.zeros((4, 5, 3)), "array of float64 is given, expected uint8"),
        (np.zeros((3, 40, 50), np.uint8), r"shape \(3, 40, 50\)"),
        (torch.zeros(2, 3, 8, 8), r"give list\(batch\)"),
        (torch.full((3, 8, 8), 255.0), "from 255 to 255 is given, expected values from 0 to 1"),
        (torch.full((3, 8, 8), torch.nan), "expected values from 0 to 1"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "int64"),
        (Image.new("I;16", (8, 8)), "more than 8 bits"),
        ("nowhere.png", "nowhere.png does not exist"),
        ("drive.mp4", "drive.mp4 is a video, expected one picture; give it to stream"),
        (".", "is a folder"),
        ([np.zeros((4, 5, 3), np.uint8), 7], "int"),
    ],
)
def test_what_is_no_picture_gets_a_sentence(model: Predictor, given: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        model.predict(given)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run: vergence.load(5), "load is given a int"),
        (lambda run: vergence.load(run / "nothing"), "does not exist"),
        (lambda run: vergence.load(run, "cpu", batch_size=0), "batch_size is 0"),
        (lambda run: vergence.load(run, "cpu", scale="metric"), "scale 'metric' is not possible"),
        (lambda run: vergence.load(run, "cpu", scale=-1), "scale -1 is unknown"),
        (lambda run: vergence.load(run, "cpu", precision="fp16"), "needs a GPU"),
        (lambda run: vergence.load(run, "cpu", size=(3, 4)), "leave size out"),
        (lambda run: vergence.load(run, "cpu").stream(5), "stream is given a int"),
        (lambda run: vergence.evaluate(5), "evaluate: run is of type int, expected a path"),
        (lambda run: vergence.report(5), "report: run is of type int, expected a path"),
        (lambda run: vergence.scan([1]), "scan: inputs is of type list, expected a path or a list of paths"),
        (lambda run: vergence.train("depth-video", out=3), "train: out is of type int"),
        (lambda run: vergence.train("depth-video", out=run.parent / "new", train={"stepz": 3}), "stepz"),
        (lambda run: vergence.train("depth-video", out=run.parent / "new", **{"train.stepz": 3}), "stepz"),
    ],
)
def test_wrong_use_gets_a_sentence(run: Path, call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(run)


def test_scale_and_flip_and_precision(run: Path, model: Predictor) -> None:
    plain = model.predict(picture())
    scaled = vergence.load(run, "cpu", scale=2.0).predict(picture())
    assert (plain.unit, scaled.unit) == ("unscaled", "metres")
    np.testing.assert_allclose(scaled.depth, 2 * plain.depth, rtol=1e-5)
    flipped = vergence.load(run, "cpu", flip=True).predict(picture())
    assert not np.array_equal(flipped.depth, plain.depth)
    rough = vergence.load(run, "cpu", precision="bf16").predict(picture())
    assert np.median(np.abs(rough.depth / plain.depth - 1)) < 0.05


def test_clouds_know_their_camera(model: Predictor, tmp_path: Path) -> None:
    seen = model.predict(picture())
    camera = Camera(100, 110, 80, 45, 160, 90)
    points = seen.cloud(camera).points
    centre = seen.depth[45, 80]
    assert np.isclose(points, [0, 0, centre], atol=1e-5).all(axis=1).any()  # the principal point looks straight ahead
    np.testing.assert_allclose(seen.cloud(camera.matrix()).points, points, rtol=1e-5)
    file = seen.cloud(90.0).save(tmp_path / "frame.ply")
    assert len(read_ply(file).points) == len(seen.cloud(90.0).points)
    with pytest.raises(InputError, match="expected a Camera or a matrix"):
        seen.cloud("camera")
    with pytest.raises(InputError, match=r"give camera.resized\(160, 90\)"):
        seen.cloud(Camera(100, 100, 50, 50, 100, 100))


def test_a_prediction_shows_itself(model: Predictor) -> None:
    seen = model.predict(picture())
    assert seen._repr_png_().startswith(b"\x89PNG")
    page = seen._repr_html_()
    assert page.count("<img") == 3
    assert "depth" in page
    assert seen.class_names[int(seen.classes[0, 0])] in page
    assert "depth unscaled" in repr(seen)


def test_models_of_others_are_models_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.inference.test_foreign_depth import Session, use

    use(monkeypatch, Session)
    (tmp_path / "model.onnx").write_bytes(b"model")
    model = vergence.load(f"onnx:{tmp_path / 'model.onnx'}")
    array = np.maximum(picture(0, 64, 96), 1)
    seen = model.predict(array)
    np.testing.assert_allclose(seen.inverse_depth, array.mean(2) / 255, atol=1e-5)
    assert (seen.unit, seen.classes, seen.class_names) == ("unscaled", None, ())
    record = vergence.predict(f"onnx:{tmp_path / 'model.onnx'}", video(tmp_path / "a.mp4"), tmp_path / "out")
    assert record["frames"] == 5
    assert sorted(file.name for file in (tmp_path / "out" / "depth").iterdir())[0] == "000000.png"
    by_path = vergence.load(tmp_path / "model.onnx").predict(array)
    assert np.array_equal(by_path.inverse_depth, seen.inverse_depth)
    with pytest.raises(InputError, match="predicts no classes"):
        vergence.load(f"onnx:{tmp_path / 'model.onnx'}", window="32x32")
    with pytest.raises(InputError, match="hf: names no model; give hf:NAME"):
        vergence.load("hf:")
    with pytest.raises(InputError, match=r"no\.onnx does not exist"):
        vergence.predict(tmp_path / "no.onnx", tmp_path / "a.mp4", tmp_path / "never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("metric", [True, False])
def test_a_folder_of_hugging_face_is_a_model_like_any_other(metric: bool, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'vergence[hf]'")
    depth_anything(tmp_path / "model", metric)
    model = vergence.load(f"hf:{tmp_path / 'model'}", "cpu")
    assert (model.tasks, model.unit) == (("depth",), "metres" if metric else "unscaled")
    frames = list(model.stream(video(tmp_path / "a.mp4")))
    assert [seen.depth.shape for seen in frames] == [(90, 160)] * 5
    assert all(np.isfinite(seen.inverse_depth).all() for seen in frames)
    if metric:
        assert all(0 < seen.depth.max() <= 20 for seen in frames)
    record = vergence.predict(f"hf:{tmp_path / 'model'}", tmp_path / "a.mp4", tmp_path / "out", array=True)
    assert (record["frames"], record["unit"]) == (5, "metres" if metric else "unscaled")
    np.testing.assert_allclose(np.load(tmp_path / "out" / "array" / "000000.npy"), frames[0].depth, rtol=1e-4)


def depth_anything(folder: Path, metric: bool) -> None:
    """A tiny Depth Anything with random weights, as the hub has such models."""
    import transformers

    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False,
    )  # fmt: skip
    settings = transformers.DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, neck_hidden_sizes=[4, 8, 8, 8], fusion_hidden_size=8,
        head_hidden_size=4, patch_size=14, depth_estimation_type="metric" if metric else "relative",
        max_depth=20 if metric else 1,
    )  # fmt: skip
    transformers.DepthAnythingForDepthEstimation(settings).save_pretrained(folder)
    transformers.DPTImageProcessor(
        do_resize=True, size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14
    ).save_pretrained(folder)
