"""What is in a folder: names in natural order, numbers in time, sizes."""

from tests.data.layouts.trees import placed
from vergence.data.layouts.files import dangling, list_files, list_folders, natural_key


def test_decimals_are_ordered_by_value():
    names = [f"16{k}.{text}.png" for k in (0, 1) for text in ("0", "05", "1", "15", "2", "25")]
    assert sorted(names, key=natural_key) == names
    seconds = [f"{1600000000 + k / 20}.png" for k in range(24)]
    assert placed(seconds) == {"": [(name, k) for k, name in enumerate(seconds)]}


def test_links_that_lead_back_are_no_folders(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for place, target in (("a/up", ".."), ("a/self", "."), ("a/b/a", "../../a"), ("a/nowhere", "what"), ("x", "y")):
        (tmp_path / place).symlink_to(target)
    (tmp_path / "y").symlink_to("x")
    (tmp_path / "a" / "there").symlink_to(tmp_path / "elsewhere")
    assert list_folders(tmp_path / "a") == ["b", "there"]
    assert list_folders(tmp_path / "a" / "b") == []
    assert list_folders(tmp_path) == ["a", "elsewhere"]


def test_links_to_nothing(tmp_path):
    (tmp_path / "1.jpg").touch()
    (tmp_path / "2.jpg").symlink_to("1.jpg")
    for name in ("10.jpg", "3.png", "4.txt"):
        (tmp_path / name).symlink_to("gone")
    assert dangling(tmp_path) == ["3.png", "10.jpg"]
    assert list_files(tmp_path) == ["1.jpg", "2.jpg"]
