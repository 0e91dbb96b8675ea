"""Addresses and their places: what stands for what, and what is never said."""

from pathlib import Path

import pytest

from vergence.data.buckets import addresses, remote
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError

SIGNED = "https://user:pass@host:8080/a/1.png?X-Amz-Signature=abc&X-Amz-Expires=60"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_place_is_an_ordinary_path(cache: Path) -> None:
    place = addresses.place_of("s3://bucket/day 1/0001.png")
    assert place == cache / "vergence-remote" / "s3" / "bucket" / "day 1" / "0001.png"
    assert addresses.named(place) == "s3://bucket/day 1/0001.png"
    assert addresses.named(place.parent / ".." / "x.png") == "s3://bucket/x.png"
    assert not place.exists()
    here = Path("here/0001.png")
    assert remote.local(here) is here
    assert addresses.named(here) == "here/0001.png"
    assert remote.state(here) is None


@pytest.mark.parametrize("uri", ["s3://bucket/../x", "s3://bucket//x.png", "https://host/./x", f"s3://b/{'x' * 300}"])
def test_names_that_no_file_may_have_are_refused(uri: str) -> None:
    with pytest.raises(InputError, match="give the object's name"):
        addresses.place_of(uri)


@pytest.mark.parametrize("text", ["s3:///x", "gs:///b/s.json", "S3://", "https:///x?token=abc", "memory:///x"])
def test_an_address_without_a_bucket_is_refused_and_no_folder(text: str) -> None:
    for path in (text, addresses.as_written(text)):
        assert addresses.is_address(path)
        with pytest.raises(InputError, match="names no bucket or server; give an address such as") as error:
            addresses.place_of(path)
        assert "abc" not in str(error.value)


@pytest.mark.parametrize("text", ["file:///data/x", "file://host/x", "file:/data/x", Path("file:///data/x")])
def test_files_of_this_machine_have_no_address(text: str | Path) -> None:
    assert addresses.is_address(text)
    with pytest.raises(InputError, match="this machine's own files; give the plain path, without file:"):
        addresses.result_place(addresses.as_written(text))


def test_one_slash_is_two_and_what_follows_stays() -> None:
    assert addresses.as_written(Path("s3://bucket/a")) == "s3://bucket/a"
    assert addresses.as_written("s3://bucket/a:/b") == "s3://bucket/a:/b"


@pytest.mark.parametrize("text", ["/a/b.png", "a/b.png", "C:/a.png", "a:b", "x.csv", "hf:model", ""])
def test_paths_are_no_addresses(text: str) -> None:
    assert not addresses.is_address(text)


def test_signatures_and_passwords_are_no_part_of_a_name() -> None:
    place = addresses.place_of(SIGNED)
    assert addresses.named(place) == "https://host:8080/a/1.png"
    assert place == addresses.place_of("https://host:8080/a/1.png?Signature=other")
    other = addresses.place_of("https://host:8080/a/1.png?id=5&sig=x")
    assert other != place
    assert other.suffix == ".png"
    assert addresses.named(other) == "https://host:8080/a/1.png?id=5"
    for address in (SIGNED, "https://host/m.csv?token=abc"):
        with pytest.raises(InputError, match="signature or a password") as error:
            addresses.open_address(address)
        assert not any(word in str(error.value) for word in ("abc", "pass@", "user"))
    assert addresses.open_address("s3:/bucket/m.csv") == "s3://bucket/m.csv"
    assert addresses.open_address("https://host/m.csv?id=5") == "https://host/m.csv?id=5"


def test_manifests_keep_addresses_without_secrets(tmp_path: Path) -> None:
    for number, name in enumerate(("m.csv", "m.parquet")):
        rows = [FrameRow(SIGNED, "one", 0, label="s3://b/l.png", label_space="camvid11"), FrameRow("x.png", "one", 1)]
        Manifest(rows, tmp_path).write(tmp_path / f"raw{number}.csv")
        text = f"image,sequence,position,label\n{SIGNED},one,0,s3://b/l.png\nx.png,one,1,\n"
        (tmp_path / "given.csv").write_text(text)
        manifest = Manifest.read(tmp_path / "given.csv")
        assert addresses.is_remote(manifest.path(0))
        assert manifest.path(1) == tmp_path / "x.png"
        manifest.write(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        assert b"vergence-remote" not in content
        assert b"abc" not in content
        again = Manifest.read(tmp_path / name)
        assert again.path(0, "label") == addresses.place_of("s3://b/l.png")
        assert addresses.named(again.path(0)) == "https://host:8080/a/1.png"
        assert again.digest() == manifest.digest()
