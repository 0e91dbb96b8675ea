"""Shards of one work: which piece each does, and what is said where they do not fit together."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import vergence
from vergence.data.digests import files_seen
from vergence.data.shards import ASKED, Parts, Shard, anew
from vergence.errors import InputError


@pytest.mark.parametrize("items", [0, 1, 3, 10, 1001])
@pytest.mark.parametrize("total", [1, 2, 4, 7])
def test_the_pieces_are_all_items_once_and_of_about_one_size(items: int, total: int) -> None:
    pieces = [Shard(number, total).share(range(items)) for number in range(total)]
    assert [item for piece in pieces for item in piece] == list(range(items))
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_of_words_and_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert Shard.of(None) is None
    assert Shard.of("0/1") == Shard(0, 1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert Shard.of(None) == Shard(2, 3)
    assert str(Shard.of("1/4")) == "1/4"  # what is said counts
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert Shard.of(None) is None
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.delenv("RANK")
    with pytest.raises(InputError, match="WORLD_SIZE is '3' and RANK is not set"):
        Shard.of(None)
    assert Shard.of("1/4") == Shard(1, 4)


@pytest.mark.parametrize("text", ["", "1", "a/b", "1/2/3", "-1/2", "1.0/2", "1 of 2"])
def test_words_that_are_no_shard(text: str) -> None:
    with pytest.raises(InputError, match="is unknown; give I/N, the I-th of N pieces from 0, such as 0/4"):
        Shard.of(text)


@pytest.mark.parametrize("text", ["4/4", "9/2"])
def test_shards_beyond_the_last(text: str) -> None:
    total = text[-1]
    with pytest.raises(InputError, match=f"shard {text} is impossible; number shards from 0/{total} to"):
        Shard.of(text)
    with pytest.raises(InputError, match="shard 0/0 is impossible; number shards such as 0/4"):
        Shard.of("0/0")


def parts(folder: Path, **settings: Any) -> Parts:
    return Parts(folder, lambda: {"run": "a", "size": (64, 128), **settings})


def test_what_shards_found_comes_back_in_order_whoever_was_first(tmp_path: Path) -> None:
    for number in (2, 0, 1, 2):
        own = parts(tmp_path / "s")
        own.begin(Shard(number, 3))
        own.done(Shard(number, 3), {"number": number})
    assert [found["number"] for found in parts(tmp_path / "s").joined()] == [0, 1, 2]
    parts(tmp_path / "s").remove()
    assert not parts(tmp_path / "s").there()


def test_asking_writes_nothing_and_beginning_is_remembered(tmp_path: Path) -> None:
    assert not parts(tmp_path / "s").begun(Shard(0, 2))
    assert not parts(tmp_path / "s").there()
    parts(tmp_path / "s").begin(Shard(0, 2))
    assert parts(tmp_path / "s").begun(Shard(0, 2))
    assert not parts(tmp_path / "s").begun(Shard(1, 2))


def test_what_the_first_one_found_counts_for_all(tmp_path: Path) -> None:
    assert parts(tmp_path / "s").agreed("scale", lambda: {"factor": 0.1}) == {"factor": 0.1}
    assert parts(tmp_path / "s").agreed("scale", lambda: {"factor": 0.2}) == {"factor": 0.1}
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["scale.json"]
    with pytest.raises(InputError, match=r'scale.json is of other settings \(run "a", here "b"\)'):
        parts(tmp_path / "s", run="b").agreed("scale", dict)


def test_missing_and_unfinished_shards_are_named(tmp_path: Path) -> None:
    for number in (0, 3):
        parts(tmp_path / "s").done(Shard(number, 5), {})
    parts(tmp_path / "s").begin(Shard(2, 5))
    with pytest.raises(
        InputError, match=r"of the 5 shards in .* 1/5, 2/5, 4/5 are missing or not done; .* --shard 1/5"
    ):
        parts(tmp_path / "s").joined()
    for number in (1, 2):
        parts(tmp_path / "s").done(Shard(number, 5), {})
    with pytest.raises(InputError, match="4/5 is missing or not done"):
        parts(tmp_path / "s").joined()
    parts(tmp_path / "many").done(Shard(0, 64), {})
    with pytest.raises(InputError, match="1/64, 2/64, 3/64, 4/64, 5/64, 6/64 and 57 more are missing"):
        parts(tmp_path / "many").joined()
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="has no shards; do them, or remove that folder"):
        parts(tmp_path / "none").joined()


def test_shards_of_another_number_overlap(tmp_path: Path) -> None:
    parts(tmp_path / "s").done(Shard(0, 4), {})
    with pytest.raises(InputError, match="has shard 0/4, which overlaps 1/8; give all shards the same number N"):
        parts(tmp_path / "s").begin(Shard(1, 8))
    parts(tmp_path / "t").done(Shard(0, 2), {})
    shutil.copy(tmp_path / "t" / "0-of-2.json", tmp_path / "s")  # folders of two machines, put together
    with pytest.raises(InputError, match="has shard 0/4, which overlaps 0/2"):
        parts(tmp_path / "s").joined()


def test_shards_of_other_settings_or_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts(tmp_path / "s").done(Shard(0, 2), {})
    for work in (lambda one: one.begin(Shard(1, 2)), lambda one: one.joined()):
        with pytest.raises(
            InputError, match=r"shard 0/2 in .* is of other settings \(size \[64, 128\], here \[9, 9\]\)"
        ):
            work(parts(tmp_path / "s", size=(9, 9)))
        with pytest.raises(InputError, match=r"is of other settings \(more null, here 1\)"):
            work(parts(tmp_path / "s", more=1))
        with monkeypatch.context() as patch:
            patch.setattr(vergence, "__version__", "9.9")
            with pytest.raises(InputError, match=r"0/2 in .* is of Vergence .* and this is 9\.9; install one version"):
                work(parts(tmp_path / "s"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"made_by": 1}', '{"made_by": {}}', '{"made_by": {}, "found": {}, "files": [1]}']
)
def test_damaged_records(text: str, tmp_path: Path) -> None:
    parts(tmp_path / "s").done(Shard(0, 2), {})
    (tmp_path / "s" / "0-of-2.json").write_text(text)
    with pytest.raises(InputError, match=r"0-of-2\.json .*remove it and do this shard again"):
        parts(tmp_path / "s").joined()
    (tmp_path / "s" / "0-of-2.json").unlink()
    (tmp_path / "s" / "survey.json").write_text(text)
    with pytest.raises(InputError, match=r"survey\.json .*remove .* and do all shards again"):
        parts(tmp_path / "s").agreed("survey", dict)


def test_a_shard_is_whole_or_not_there(tmp_path: Path) -> None:
    parts(tmp_path / "s").begin(Shard(0, 1))
    assert json.loads((tmp_path / "s" / "0-of-1.json").read_text())["found"] is None
    parts(tmp_path / "s").done(Shard(0, 1), {"numbers": [1, 2]})
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["0-of-1.json"]
    assert parts(tmp_path / "s").joined() == [{"numbers": [1, 2]}]


def test_files_that_have_changed_since_are_told_by_their_shards(tmp_path: Path) -> None:
    """Shards that have not said what their files were like are joined as they are."""
    files = {Shard(number, 3): [tmp_path / f"{number}.png"] for number in range(3)}
    for shard, (path,) in files.items():
        path.write_bytes(b"one")
        parts(tmp_path / "s").done(shard, {}, files_seen([path]) if shard.number else None)
    assert parts(tmp_path / "s").joined(files.__getitem__) == [{}, {}, {}]
    for (path,) in files.values():
        path.write_bytes(b"two")
    assert parts(tmp_path / "s").joined() == [{}, {}, {}]
    with pytest.raises(InputError, match=r"files of 1/3, 2/3 of the shards in .*s have changed .* --shard 1/3, or"):
        parts(tmp_path / "s").joined(files.__getitem__)
    parts(tmp_path / "s").done(Shard(1, 3), {}, files_seen(files[Shard(1, 3)]))
    with pytest.raises(InputError, match=r"files of 2/3 of the shards"):
        parts(tmp_path / "s").joined(files.__getitem__)


def test_a_shard_that_comes_late_knows_the_result(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    result, shard = tmp_path / "r.json", Shard(1, 2)

    def late(**settings: Any) -> bool:
        return Parts(tmp_path / "s", lambda: {"run": "a", **settings}, [tmp_path / "none", result]).joined_before(shard)

    assert not late()
    result.write_text("[")
    assert not late()
    result.write_text(json.dumps({ASKED: Parts(tmp_path / "s", lambda: {"run": "a"}).asked}))
    with caplog.at_level("INFO", "vergence"):
        assert late()
    assert f"shard 1/2: {result} has all of it already; remove that file to do it again" in caplog.text
    assert not late(flip=True)
    with anew():
        assert not late()
    assert late()
    (tmp_path / "s").mkdir()
    assert not late()


def test_of_long_settings_what_differs_is_said(tmp_path: Path) -> None:
    long = "plain: ground truth 0.001-80 m, no crop, prediction clipped, " + "scale {}" + " of each image" * 5
    parts(tmp_path / "s", protocol=long.format("none")).done(Shard(0, 2), {})
    with pytest.raises(InputError) as error:
        parts(tmp_path / "s", protocol=long.format("median")).begun(Shard(1, 2))
    assert "clipped, scale none of" in str(error.value)
    assert "clipped, scale median of" in str(error.value)
