"""Which classes mean the same, and which take others in."""

from vergence.data.batch import IGNORED_LABEL
from vergence.data.labels import label_mapping, label_space


def by_name(source: str, target: str) -> dict[str, str]:
    given, wanted = label_space(source), label_space(target)
    table = label_mapping(source, target)
    return {name: wanted.classes[table[i]] for i, name in enumerate(given.classes) if table[i] != IGNORED_LABEL}


def test_void_of_camvid_and_mapillary_is_no_class():
    assert label_mapping("camvid_segnet", "camvid11")[:13].tolist() == [*range(11), 255, 255]
    assert label_mapping("mapillary_v1.2", "mapillary_v1.2")[[64, 65, 255]].tolist() == [64, 255, 255]


def test_things_of_voc_are_those_of_streets():
    same = {name: name for name in ("person", "bicycle", "car", "bus", "train")}
    assert by_name("voc21", "cityscapes19") == same | {"motorbike": "motorcycle"}


def test_mapping_by_meaning():
    camvid = by_name("cityscapes19", "camvid11")
    assert camvid["sidewalk"] == "pavement"
    assert camvid["truck"] == "car"
    assert camvid["terrain"] == "tree"
    city = by_name("mapillary_v1.2", "cityscapes19")
    assert city["Motorcyclist"] == "rider"
    assert city["Lane Marking - General"] == "road"
    assert "Bridge" not in city, "void in Cityscapes"
    comma = by_name("cityscapes_ids", "comma10k")
    assert comma["ego vehicle"] == "my car"
    assert comma["sky"] == "undrivable"
    assert by_name("comma10k", "cityscapes19") == {"road": "road", "lane markings": "road"}
