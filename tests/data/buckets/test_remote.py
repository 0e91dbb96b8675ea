"""Places and copies of objects: what is fetched when, what stays, and what is never said."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.data.bucket_server import BUCKET, KEY, Bucket, bucket_server
from vergence.data.buckets import addresses, remote, remote_store
from vergence.data.digests import file_state
from vergence.data.manifest import Manifest
from vergence.data.pictures import open_picture
from vergence.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SIGNED = "https://user:pass@host:8080/a/1.png?X-Amz-Signature=abc&X-Amz-Expires=60"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_store, "PAUSES", (0.01, 0.01))
    return tmp_path / "cache"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket_server(monkeypatch) as server:
        yield server


def _next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_since", time.time())


def test_a_copy_is_fetched_once_and_again_when_it_changed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    place = addresses.place_of(bucket.write("a/1.png", b"one"))
    before = file_state(place)
    assert not place.exists()
    bucket.asked.clear()
    assert remote.local(place).read_bytes() == b"one"
    assert file_state(place) == before
    remote.local(place)
    assert [method for method, _ in bucket.asked] == ["HEAD", "GET"]
    _next_command(monkeypatch)
    remote.local(place)
    assert [method for method, _ in bucket.asked] == ["HEAD", "GET", "HEAD"]
    bucket.write("a/1.png", b"two")
    assert remote.local(place).read_bytes() == b"one"
    _next_command(monkeypatch)
    assert remote.local(place).read_bytes() == b"two"
    assert file_state(place) != before


def test_a_folder_is_what_is_in_the_store(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.write("f/1.png", b"one")
    bucket.write("f/g/2.png", b"two")
    folder = remote.given(f"s3://{BUCKET}/f/")
    assert sorted(path.name for path in folder.rglob("*.png")) == ["1.png", "2.png"]
    bucket.store().rm_file(f"{BUCKET}/f/1.png")
    _next_command(monkeypatch)
    remote.given(f"s3://{BUCKET}/f")
    assert sorted(path.name for path in folder.rglob("*.png")) == ["2.png"]
    assert bucket.gets("2.png") == 1
    bucket.write("f/manifest.csv", b"image,sequence,position\ng/2.png,a,0\n")
    bucket.write("f/3.png", b"three")
    _next_command(monkeypatch)
    assert Manifest.read(remote.given(f"s3://{BUCKET}/f") / "manifest.csv").path(0) == folder / "g" / "2.png"
    assert bucket.gets("3.png") == 0
    monkeypatch.setenv(remote.LIMIT, "0.000000001")
    bucket.write("h/1.png", b"large")
    with pytest.raises(InputError, match=r"s3://frames/h holds .* give a manifest"):
        remote.given(f"s3://{BUCKET}/h/")


def test_no_answer_is_not_taken_for_no_such_object(bucket: Bucket) -> None:
    """A video without its camera, or a folder without its manifest, would be read as something else."""
    bucket.write("v/1.mp4", b"film")
    bucket.write("v/1.json", b"{}")
    bucket.failing["1.json"] = 99
    with pytest.raises(remote_store.NoAnswer, match=r"s3://frames/v/1.json could not be fetched"):
        remote.given(f"s3://{BUCKET}/v/1.mp4")
    bucket.failing.clear()
    bucket.forbidden.add("1.json")  # which stores also say of what is not there
    assert remote.given(f"s3://{BUCKET}/v/1.mp4").read_bytes() == b"film"


def test_copies_stay_below_their_limit(bucket: Bucket, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go first; what was used within the minute stays."""
    monkeypatch.setenv(remote.LIMIT, "0.00001")
    places = [addresses.place_of(bucket.write(f"{number}.bin", bytes(2000))) for number in range(9)]
    for number, place in enumerate(places):
        remote.local(place)
        old = time.time() - 1000 + number
        os.utime(place, (old, place.stat().st_mtime))
    kept = [place.name for place in places if place.exists()]
    assert kept == [f"{number}.bin" for number in range(4, 9)]
    assert sum(path.stat().st_size for path in cache.rglob("*.bin")) <= 10_000
    for number in range(20, 30):
        remote.local(addresses.place_of(bucket.write(f"{number}.bin", bytes(2000))))
    assert all(addresses.place_of(f"s3://{BUCKET}/{number}.bin").exists() for number in range(20, 30))


def test_a_full_disk_is_one_sentence_and_old_copies_make_room(
    bucket: Bucket, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = remote.local(addresses.place_of(bucket.write("old.bin", bytes(2000))))
    new = addresses.place_of(bucket.write("new.bin", bytes(2000)))
    real, full = remote_store.fetch, [True]

    def fetch(*args: object) -> object:
        if full and (full[0] or old.exists()):
            raise OSError(28, "No space left on device")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(remote_store, "fetch", fetch)
    with pytest.raises(InputError, match=r"cannot take s3://frames/new.bin .No space left on device.; free some space"):
        remote.local(new)
    assert not new.exists()
    assert list((cache / "vergence-remote" / ".parts").iterdir()) == []
    full[0] = False
    os.utime(old, (1000, old.stat().st_mtime))
    assert remote.local(new).read_bytes() == bytes(2000)
    assert not old.exists()


def test_a_cut_copy_leaves_nothing(bucket: Bucket, cache: Path) -> None:
    place = addresses.place_of(bucket.write("1.bin", bytes(5000)))
    bucket.cut["1.bin"] = 99
    with pytest.raises(InputError, match=r"s3://frames/1.bin could not be fetched"):
        remote.local(place)
    assert not any(path.is_file() for path in (cache / "vergence-remote").rglob("*"))


def test_readers_say_the_address(bucket: Bucket, tmp_path: Path) -> None:
    Image.new("RGB", (8, 4)).save(tmp_path / "1.png")
    good = addresses.place_of(bucket.write("1.png", (tmp_path / "1.png").read_bytes()))
    assert open_picture(good).size == (8, 4)
    bad = addresses.place_of(bucket.write("2.png", (tmp_path / "1.png").read_bytes()[:40]))
    with pytest.raises(InputError, match=r"^s3://frames/2\.png is"):
        open_picture(bad)


def test_signed_addresses_are_fetched_by_their_signature(bucket: Bucket) -> None:
    bucket.write("1.bin", b"one")
    address = f"{bucket.address}/{BUCKET}/1.bin?X-Amz-Signature={KEY}&part=1"
    place = addresses.place_of(address)
    assert remote.local(place).read_bytes() == b"one"
    assert KEY not in addresses.named(place)
    assert addresses.secrets()[str(place)] == address
    assert not any(KEY.encode() in path.read_bytes() for path in place.parent.iterdir())
