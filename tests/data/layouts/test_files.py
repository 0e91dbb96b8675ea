"""What is in a folder: names in natural order, numbers in time, sizes."""

from tests.data.layouts.trees import placed
from vergence.data.layouts.files import natural_key


def test_decimals_are_ordered_by_value():
    names = [f"16{k}.{text}.png" for k in (0, 1) for text in ("0", "05", "1", "15", "2", "25")]
    assert sorted(names, key=natural_key) == names
    seconds = [f"{1600000000 + k / 20}.png" for k in range(24)]
    assert placed(seconds) == {"": [(name, k) for k, name in enumerate(seconds)]}
