"""The one pass over frames: in order, bounded, filmed as it goes, and whatever goes wrong is one sentence."""

import errno
import gc
import os
import weakref

import av
import numpy as np
import pytest
from PIL import Image

from tests.inference.predicted import HEIGHT, WIDTH, RedMethod, folder, made_run, picture
from vergence.api import predict
from vergence.data.imaging.images import read_image
from vergence.data.measured.depth_files import stored_depth
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.inference.depth_files import DepthFiles
from vergence.inference.frame_pass import FramePass
from vergence.inference.frame_streams import Frame, VideoStream
from vergence.inference.journal import Journal
from vergence.inference.predictor import Seen, load

RECORD = {"factor": 1.0, "png_factor": 655.0, "colour": {"low": 0.0, "high": 1.0}}


def counted(count, alive, most):
    """Frames of which is counted how many are held."""
    for number in range(count):
        frame = Frame(f"{number:04d}", Image.fromarray(picture(number % 256)))
        alive[number] = frame
        most.append(len(alive))
        yield frame


@pytest.mark.parametrize("known", [0, 60])
def test_as_many_frames_are_held_of_a_long_video_as_of_a_short_one(tmp_path, known):
    predictor = load(made_run(tmp_path), batch_size=4)
    maps = {"inverse_depth": predictor.network.maps([predictor.network.prepare(Image.new("RGB", (8, 8)))])}
    seen = {f"{number:04d}": {"inverse_depth": maps["inverse_depth"]["inverse_depth"][0]} for number in range(known)}
    held = {}
    for count in (40, 120):
        alive, most = weakref.WeakValueDictionary(), []
        frame_pass = FramePass(predictor, None, seen, tmp_path / str(count), [DepthFiles()], RECORD)
        names = [frame.name for frame, _ in frame_pass.written(counted(count, alive, most))]
        assert names == [f"{number:04d}" for number in range(count)]
        held[count] = max(most)
        gc.collect()
    bound = 2 * (2 * frame_pass.threads + 2) + 3 * predictor.batch_size
    assert held[120] <= bound < 40


def test_what_was_seen_is_not_looked_at_again_and_stays_in_order(tmp_path):
    method = RedMethod()
    predictor = load(made_run(tmp_path, method), batch_size=2)
    fresh = predictor.network.prepare(Image.fromarray(picture(9)))
    given = [(k, Seen({"inverse_depth": k}) if k in (0, 2, 3, 4, 5, 6, 9) else fresh) for k in range(10)]
    looked_at = list(predictor.looked_at(given))
    assert [item for item, _ in looked_at] == list(range(10))
    assert [maps["inverse_depth"] for item, maps in looked_at if item in (0, 2, 9)] == [0, 2, 9]
    assert method.shown == 3


def test_a_short_folder_is_looked_at_once(tmp_path):
    method = RedMethod()
    predict(made_run(tmp_path, method), folder(tmp_path), tmp_path / "out")
    assert method.shown == 3


def test_depth_is_stored_without_loss_and_pictures_for_people_in_the_format_asked_for(tmp_path):
    frames = folder(tmp_path, (20, 200), (70, 150))
    for pictures, suffix in (("jpeg", "jpg"), ("png", "png")):
        out = tmp_path / pictures
        record = predict(made_run(tmp_path), frames, out, array=True, pictures=pictures)
        assert sorted(os.listdir(out / "colour")) == [f"000.{suffix}", f"001.{suffix}"]
        for name in ("000", "001"):
            stored = np.asarray(Image.open(out / "depth" / f"{name}.png"))
            np.testing.assert_array_equal(
                stored, stored_depth(np.load(out / "array" / f"{name}.npy"), record["png_factor"])
            )
    both = [read_image(tmp_path / kind).astype(int) for kind in ("jpeg/colour/001.jpg", "png/colour/001.png")]
    assert np.abs(both[0] - both[1]).max() <= 4
    with pytest.raises(InputError, match="give jpeg or png"):
        predict(made_run(tmp_path), frames, tmp_path / "c", pictures="gif")
    with pytest.raises(InputError, match="precision fp16 needs a GPU"):
        predict(made_run(tmp_path), frames, tmp_path / "c", precision="fp16", device="cpu")


def test_videos_are_made_in_the_same_pass(tmp_path, monkeypatch):
    passes = []
    frames = VideoStream.frames
    monkeypatch.setattr(VideoStream, "frames", lambda *given: passes.append(1) or frames(*given))
    clip = write_video(tmp_path / "drive.mp4", (picture(40 + 20 * k) for k in range(6)), 10)
    predict(made_run(tmp_path), clip, tmp_path / "out", legend=False)
    assert len(passes) == 1
    (tmp_path / "out" / "colour" / "000003.jpg").unlink()
    predict(made_run(tmp_path), clip, tmp_path / "out", legend=False)  # of files that stay a second pass is made
    assert len(passes) == 3
    with av.open(str(tmp_path / "out" / "colour.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 6
    assert shown[0].shape == (2 * HEIGHT, WIDTH, 3)


def test_a_full_disk_is_one_sentence_and_what_was_written_can_be_continued(tmp_path, monkeypatch):
    frames, out = folder(tmp_path, range(10, 210, 10)), tmp_path / "out"
    save = Image.Image.save

    def full(self, path, **settings):
        if "colour" in str(path) and ".012" in str(path):
            with open(path, "wb") as file:
                file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, path, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", full)
        with pytest.raises(InputError, match=r"012.jpg cannot be written \(No space left on device\)"):
            predict(made_run(tmp_path), frames, out, video=True)
    assert not (out / "colour.mp4").exists()
    assert not [name for _, _, names in os.walk(out) for name in names if ".tmp" in name]
    done = set(Journal(out).entries)
    assert done == {f"{number:03d}" for number in range(len(done))}
    assert len(done) <= 12
    method = RedMethod()
    record = predict(made_run(tmp_path, method), frames, out, video=True)
    assert record["frames"] == 20
    assert method.shown == 20 - len(done)
    assert (out / "colour.mp4").stat().st_size > 0


def test_an_error_in_the_middle_of_the_frames_ends_the_pass(tmp_path):
    frames = folder(tmp_path, range(10, 210, 10))
    (frames / "015.png").write_bytes((frames / "015.png").read_bytes()[:60])
    with pytest.raises(InputError, match=r"015\.png is damaged"):
        predict(made_run(tmp_path), frames, tmp_path / "out")
