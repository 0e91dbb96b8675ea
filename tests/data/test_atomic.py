"""Files are whole or absent."""

import pytest

from vergence.data.atomic import appending, check_place, is_writable, write_text, writing
from vergence.data.manifest import FrameRow, Manifest
from vergence.errors import InputError


def test_a_failed_write_leaves_nothing_and_keeps_the_old_file(tmp_path):
    path = write_text(tmp_path / "a.txt", "old")

    def fail():
        with writing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_full_disk_is_one_sentence(tmp_path):
    def fail():
        with writing(tmp_path / "a.txt"):
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"a\.txt cannot be written \(No space left on device\)"):
        fail()


def test_names_that_are_no_text_cost_a_sentence(tmp_path):
    for path in (tmp_path / "m.csv", tmp_path / "m.parquet"):
        with pytest.raises(InputError, match="is no text in UTF-8; rename"):
            Manifest([FrameRow("\udcff.jpg", "one", 0)], tmp_path).write(path)
    with pytest.raises(InputError, match="is no text in UTF-8; rename"):
        write_text(tmp_path / "list.txt", "\udcff.jpg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("before", "after"), [(None, ""), ("", ""), ("one\n", "one\n"), ("one\nto", "one\nto\n")])
def test_a_torn_last_line_takes_no_other_along(tmp_path, before, after):
    path = tmp_path / "a.jsonl"
    if before is not None:
        path.write_text(before)
    for line in ("new é\n", "last\n"):
        with appending(path) as file:
            file.write(line)
    assert path.read_text(encoding="utf-8") == after + "new é\nlast\n"


def test_places_that_will_not_do_are_told_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "file").touch()
    check_place(tmp_path / "new" / "a.json", (".json",))
    check_place(tmp_path / "new" / "A.JSON", (".json",))
    check_place(tmp_path / "file")
    for name, said in (
        ("a.csv", r"a\.csv must end in \.json or \.txt; give --json such a file\."),
        ("folder.json", r"folder\.json is a folder; give --json a file that ends in \.json or \.txt\."),
        ("file/new/a.json", r"file/new/a\.json cannot be written; give --json a file in a folder that can be\."),
    ):
        with pytest.raises(InputError, match=said):
            check_place(tmp_path / name, (".json", ".txt"), "--json")
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(tmp_path))
    assert not is_writable(tmp_path / "new")
    assert is_writable(tmp_path / "folder.json")
