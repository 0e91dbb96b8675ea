"""A store that fails, is slow, cuts off or refuses: tried again where that helps, else one sentence."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.bucket_server import BUCKET, KEY, Bucket, bucket_server
from vergence.data.buckets import remote_store
from vergence.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
CONTENT = bytes(range(256)) * 400


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(remote_store, "PAUSES", (0.01, 0.01))
    with bucket_server(monkeypatch) as server:
        yield server


def _fetched(address: str, target: Path, most: int = 10**9) -> bytes:
    said = remote_store.facts(address, address)
    remote_store.fetch(address, address, target, most, said)
    return target.read_bytes()


@pytest.mark.parametrize("fault", ["failing", "cut"])
def test_what_may_pass_is_tried_again(bucket: Bucket, tmp_path: Path, fault: str) -> None:
    address = bucket.write("1.png", CONTENT)
    getattr(bucket, fault)["1.png"] = 2
    assert _fetched(address, tmp_path / "1.png") == CONTENT
    assert bucket.gets("1.png") == 3


@pytest.mark.parametrize(("fault", "reason"), [("failing", "status 500"), ("cut", "payload is not completed")])
def test_what_does_not_pass_is_a_sentence(bucket: Bucket, tmp_path: Path, fault: str, reason: str) -> None:
    address = bucket.write("1.png", CONTENT)
    getattr(bucket, fault)["1.png"] = 99
    with pytest.raises(InputError, match=rf"s3://frames/1.png could not be fetched in 3 attempts \(.*{reason}"):
        _fetched(address, tmp_path / "1.png")


def test_an_answer_that_comes_slowly_is_waited_for(bucket: Bucket, tmp_path: Path) -> None:
    address = bucket.write("1.png", CONTENT)
    bucket.seconds = 0.3
    start = time.perf_counter()
    assert _fetched(address, tmp_path / "1.png") == CONTENT
    assert time.perf_counter() - start > 0.6


def test_an_answer_that_does_not_come_is_not_waited_for(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = bucket.write("1.png", CONTENT)
    monkeypatch.setattr(remote_store, "READ", 0.2)
    bucket.seconds = 1.0
    start = time.perf_counter()
    with pytest.raises(InputError, match="could not be fetched in 3 attempts"):
        _fetched(address, tmp_path / "1.png")
    assert time.perf_counter() - start < 5


def test_missing_forbidden_and_too_large_are_told_at_once(bucket: Bucket, tmp_path: Path) -> None:
    address = bucket.write("1.png", CONTENT)
    with pytest.raises(InputError, match=r"s3://frames/2.png does not exist in its store"):
        remote_store.facts("s3://frames/2.png", "s3://frames/2.png")
    with pytest.raises(InputError, match="may hold; set VERGENCE_REMOTE_GB"):
        _fetched(address, tmp_path / "1.png", most=1000)
    bucket.forbidden.add("1.png")
    with pytest.raises(InputError, match="may not be read with the credentials at hand"):
        remote_store.facts(address, address)
    assert len([method for method, path in bucket.asked if path.endswith("1.png") and method == "GET"]) == 0


def test_without_credentials_the_sentence_names_them(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    address = bucket.write("1.png", CONTENT)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    forget = type(bucket.store()).clear_instance_cache
    forget()
    with pytest.raises(InputError, match=r"s3://frames/1.png needs credentials, and there are none; set them in"):
        remote_store.facts(address, address)
    forget()


def test_a_web_server_is_read_and_its_secrets_are_not_said(bucket: Bucket, tmp_path: Path) -> None:
    bucket.write("1.png", CONTENT)
    with pytest.raises(InputError, match=r"web\.png may not be read"):
        remote_store.facts(f"{bucket.address}/{BUCKET}/1.png", "web.png")
    bucket.store().pipe_file(f"{BUCKET}/1.png", CONTENT, ACL="public-read")
    whole = f"{bucket.address}/{BUCKET}/1.png?X-Amz-Signature=abc{KEY}"
    said = remote_store.facts(f"{bucket.address}/{BUCKET}/1.png", "shown")
    assert (said.size, said.mark != 0) == (len(CONTENT), True)
    assert _fetched(f"{bucket.address}/{BUCKET}/1.png", tmp_path / "1.png") == CONTENT
    bucket.failing["1.png"] = 99
    with pytest.raises(InputError) as error:
        remote_store.fetch(whole, "https://x/1.png", tmp_path / "2.png", 10**9, said)
    assert str(error.value).startswith("https://x/1.png could not be fetched")
    assert KEY not in str(error.value)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_server_that_is_not_there_is_named(bucket: Bucket) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(
        InputError, match=rf"web\.png could not be fetched .* \(Cannot connect to host 127\.0\.0\.1:{port}"
    ):
        remote_store.facts(f"http://127.0.0.1:{port}/1.png?token={KEY}", "web.png")


def test_what_no_server_answers_is_no_bucket_that_is_not_there() -> None:
    absent, unanswered = FileNotFoundError("frames"), FileNotFoundError("frames")
    unanswered.__cause__ = ConnectionRefusedError("refused")
    assert "its bucket does not exist" in remote_store._refusal_to_write(absent, "kept")
    assert "does not exist" in remote_store._refusal(absent)
    assert remote_store._refusal_to_write(unanswered, "kept") == remote_store._refusal(unanswered) == ""


def test_listings_agree_with_objects(bucket: Bucket) -> None:
    address = bucket.write("a/b/1.png", CONTENT)
    bucket.write("a/2.png", CONTENT)
    found = remote_store.listing(f"s3://{BUCKET}/a", "a")
    assert set(found) == {"b/1.png", "2.png"}
    assert found["b/1.png"] == remote_store.facts(address, address)
    assert set(remote_store.listing(f"s3://{BUCKET}/a", "a", deep=False)) == {"2.png"}
    assert remote_store.facts(f"s3://{BUCKET}/a", "a").folder


@pytest.mark.parametrize("protocol", ["file", "memory", "reference", "simplecache", "nostore"])
def test_only_stores_are_asked(protocol: str) -> None:
    with pytest.raises(InputError, match=f"{protocol}:// names no store"):
        remote_store.facts(f"{protocol}://x/etc/passwd", f"{protocol}://x/etc/passwd")
