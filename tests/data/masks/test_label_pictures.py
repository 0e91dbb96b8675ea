"""What a label picture means, by what the label space says of it."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data.buckets.remote_store import NoAnswer
from vergence.data.label_space import CITYSCAPES_19, LABEL_SPACES, LabelSpace
from vergence.data.masks import label_pictures
from vergence.data.masks.label_files import read_label_space
from vergence.data.masks.label_pictures import check_aspect, read_label
from vergence.data.pictures import open_picture
from vergence.errors import InputError

THREE = LabelSpace("three", ("road", "sky", "car"), ((128, 64, 128), (70, 130, 180), (0, 0, 142)))
BINARY = LabelSpace("binary", ("background", "road"), ((0, 0, 0), (255, 255, 255)))
TURNED = LabelSpace("turned", ("road", "background"), ((255, 255, 255), (0, 0, 0)))
IDS = np.array([[0, 1, 2, 255], [2, 2, 1, 0]], dtype=np.uint8)


def grey(path: Path, values: list, **options: object) -> Path:
    Image.fromarray(np.array(values, dtype=np.uint8)).save(path, **options)
    return path


def palette(path: Path, values: np.ndarray, colours: dict[int, tuple[int, int, int]], **options: object) -> Path:
    table = np.zeros((256, 3), dtype=np.uint8)
    for index, colour in colours.items():
        table[index] = colour
    image = Image.fromarray(values)
    image.putpalette(table.tobytes())
    image.save(path, **options)
    return path


def test_white_is_the_class_that_is_white(tmp_path):
    for space, road, background in ((BINARY, 1, 0), (TURNED, 0, 1)):
        assert read_label(grey(tmp_path / "a.png", [[0, 255]]), space=space).tolist() == [[background, road]]
    only = LabelSpace("only", ("road",), ((255, 255, 255),))
    assert read_label(grey(tmp_path / "a.png", [[0, 255]]), space=only).tolist() == [[255, 0]]


def test_a_mask_without_its_white_class_reads_as_the_others_of_its_folder(tmp_path):
    grey(tmp_path / "a.png", [[0, 255]])
    assert read_label(grey(tmp_path / "b.png", [[0, 0]]), space=TURNED).tolist() == [[1, 1]]
    (tmp_path / "ids").mkdir()
    grey(tmp_path / "ids" / "a.png", [[0, 1, 255]])
    assert read_label(grey(tmp_path / "ids" / "b.png", [[0, 255]]), space=TURNED).tolist() == [[0, 255]]
    assert read_label(tmp_path / "ids" / "a.png", space=BINARY).tolist() == [[0, 1, 255]]


def test_labels_do_not_hang_on_what_a_store_gave(tmp_path, monkeypatch):
    """Where the mask that has white cannot be had, the others are not read as ids."""
    grey(tmp_path / "a.png", [[0, 255]])
    path = grey(tmp_path / "b.png", [[0, 0]])

    def failing(path):
        if path.name == "a.png":
            raise NoAnswer("a.png could not be fetched")
        return open_picture(path)

    monkeypatch.setattr(label_pictures, "open_picture", failing)
    with pytest.raises(NoAnswer):
        read_label(path, space=TURNED)


@pytest.mark.parametrize("names", [["background", "road"], ["road"]])
def test_0_and_255_without_a_white_class_are_refused(tmp_path, names):
    (tmp_path / "classes.json").write_text(str({"classes": names}).replace("'", '"'))
    space = read_label_space(tmp_path / "classes.json")
    with pytest.raises(InputError, match=r'0 and 255 only.*"color": \[255, 255, 255\]'):
        read_label(grey(tmp_path / "a.png", [[0, 255]]), space=space)
    (tmp_path / "none").mkdir()  # 255 alone says nothing of what it stands for
    assert read_label(grey(tmp_path / "none" / "a.png", [[255, 255]]), space=space).tolist() == [[255, 255]]
    (tmp_path / "part").mkdir()  # here 255 is none: class 1 is there by its id
    if len(names) == 2:
        grey(tmp_path / "part" / "b.png", [[1, 255]])
        assert read_label(grey(tmp_path / "part" / "a.png", [[0, 255]]), space=space).tolist() == [[0, 255]]


def test_ids_of_large_spaces_stay_ids(tmp_path):
    assert read_label(grey(tmp_path / "a.png", [[0, 255, 18]]), space=CITYSCAPES_19).tolist() == [[0, 255, 18]]
    mapillary = LABEL_SPACES["mapillary_v1.2"]  # a class of it is white
    assert read_label(grey(tmp_path / "a.png", [[0, 13, 65, 255]]), space=mapillary).tolist() == [[0, 13, 65, 255]]


def test_ids_of_few_bits_are_not_stretched(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2, 3]], dtype=np.uint8))
    image.putpalette([value for k in range(4) for value in (85 * k,) * 3])
    image.save(tmp_path / "p.png", bits=2)
    data = bytearray((tmp_path / "p.png").read_bytes())
    assert data[24:26] == b"\x02\x03"
    four = LabelSpace("four", ("a", "b", "c", "d"), ((9, 1, 1), (9, 2, 1), (9, 3, 1), (9, 4, 1)))
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1").save(tmp_path / "one.png")
    assert read_label(tmp_path / "one.png", space=four).tolist() == [[0, 1]]
    assert read_label(tmp_path / "one.png", space=TURNED).tolist() == [[1, 0]]


def test_a_palette_of_the_classes_holds_ids(tmp_path):
    path = palette(tmp_path / "a.png", IDS, dict(enumerate(THREE.colours)))
    np.testing.assert_array_equal(read_label(path, (2, 4), THREE), IDS)


def test_a_palette_sorted_anew_is_read_by_colour(tmp_path):
    order = np.array([2, 0, 1, *range(3, 256)], dtype=np.uint8)  # id -> index
    colours = {int(order[k]): colour for k, colour in enumerate(THREE.colours)}
    path = palette(tmp_path / "a.png", order[IDS], colours)
    np.testing.assert_array_equal(read_label(path, space=THREE), IDS)


def test_a_palette_of_other_colours_is_refused(tmp_path):
    path = palette(tmp_path / "a.png", IDS, {0: (1, 2, 3), 1: (4, 5, 6), 2: (7, 8, 9)})
    with pytest.raises(InputError, match="another palette than label space 'three': index 0 is #010203 instead of"):
        read_label(path, space=THREE)
    (tmp_path / "classes.json").write_text('{"classes": ["a", "b", "c"]}')  # no colours: nothing to compare
    np.testing.assert_array_equal(read_label(path, space=read_label_space(tmp_path / "classes.json")), IDS)


def test_a_grey_ramp_is_no_palette(tmp_path):
    path = palette(tmp_path / "a.png", IDS, {k: (k, k, k) for k in range(256)})
    np.testing.assert_array_equal(read_label(path, space=THREE), IDS)


def test_known_data_sets_may_have_palettes_of_their_own(tmp_path, caplog):
    ids = np.array([[7, 26, 4]], dtype=np.uint8)
    path = palette(tmp_path / "a.png", ids, {7: (128, 64, 128), 26: (0, 0, 142), 4: (20, 20, 20)})
    np.testing.assert_array_equal(read_label(path, space=LABEL_SPACES["gta5"]), ids)
    assert "the ids are believed" in caplog.text


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif"])
def test_lossy_labels_are_refused(tmp_path, suffix):
    options = {"compression": "jpeg"} if suffix == ".tif" else {}
    values = [[0] * 16] * 8 + [[1] * 16] * 8
    with pytest.raises(InputError, match="which changes its values; save labels as PNG"):
        read_label(grey(tmp_path / f"a{suffix}", values, **options), space=THREE)


def test_what_is_erased_has_no_label(tmp_path):
    pixels = np.zeros((2, 4, 4), dtype=np.uint8)
    pixels[..., :3] = np.array([*THREE.colours, (9, 9, 9)], dtype=np.uint8)[np.where(IDS == 255, 3, IDS)]
    pixels[..., 3] = np.where(IDS == 255, 0, 255)
    pixels[0, 0, 3] = 0  # erased, the colour is still there
    Image.fromarray(pixels).save(tmp_path / "a.png")
    expected = IDS.copy()
    expected[0, 0] = 255
    # a stranger's colour below nothing is no error
    np.testing.assert_array_equal(read_label(tmp_path / "a.png", space=THREE), expected)
    for name, colours in (("own", THREE.colours), ("sorted", THREE.colours[::-1])):  # ids or colours
        path = palette(
            tmp_path / f"{name}.png", np.array([[0, 1, 2]], np.uint8), dict(enumerate(colours)), transparency=0
        )
        assert read_label(path, space=THREE).tolist() == [[255, 1, 2 if name == "own" else 0]]
    la = Image.fromarray(np.array([[[0, 255], [1, 0]]], dtype=np.uint8))
    la.save(tmp_path / "b.png")
    assert read_label(tmp_path / "b.png", space=THREE).tolist() == [[0, 255]]


def png(path: Path, values: np.ndarray, kind: int, bits: int, transparent: int | None = None) -> Path:
    """A PNG of the bits and the kind of colour that PIL does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = values.astype(">u2") if bits == 16 else np.packbits(values[..., None] >> [3, 2, 1, 0] & 1, axis=None)
    lines = rows.reshape(len(values), -1)
    data = chunk(b"IHDR", struct.pack(">IIBBBBB", values.shape[1], len(values), bits, kind, 0, 0, 0))
    data += b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    data += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("kind", [4, 6])
def test_what_is_erased_from_16_bits_has_no_label(tmp_path, kind):
    ids = IDS.astype(np.uint16)
    ids[0, 0] = 40000  # left there, and no id
    alpha = np.where((IDS == 255) | (ids == 40000), 0, 65535)
    colours = [ids, *[np.zeros_like(ids)] * (kind - 4), alpha]
    label = read_label(png(tmp_path / "a.png", np.dstack(colours), kind, 16), space=THREE)
    np.testing.assert_array_equal(label, np.where(alpha == 0, 255, IDS))


@pytest.mark.parametrize("bits", [4, 16])
def test_the_transparent_id_of_a_file_is_no_label(tmp_path, bits):
    ids = np.where(IDS == 255, 0, IDS)
    assert read_label(png(tmp_path / "a.png", ids, 0, bits), space=THREE).tolist() == ids.tolist()
    label = read_label(png(tmp_path / "b.png", ids, 0, bits, transparent=1), space=THREE)
    np.testing.assert_array_equal(label, np.where(ids == 1, 255, ids))


def test_what_lies_below_erased_grey_is_not_read(tmp_path):
    values = np.array([[[0, 255], [77, 0], [2, 255]]], dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_label(tmp_path / "a.png", space=THREE).tolist() == [[0, 255, 2]]
    values[..., 1] = 0
    Image.fromarray(values).save(tmp_path / "b.png")
    assert read_label(tmp_path / "b.png", space=THREE).tolist() == [[255] * 3]


def test_negative_and_large_numbers_are_no_ids(tmp_path):
    for value in (-1, 300):
        Image.fromarray(np.full((2, 2), value, dtype=np.int32)).save(tmp_path / "a.tif")
        with pytest.raises(InputError, match=f"has the value {value}"):
            read_label(tmp_path / "a.tif", space=THREE)


def test_aspect():
    check_aspect((48, 64), (96, 128), "a.png")
    check_aspect((479, 639), (480, 640), "a.png")
    with pytest.raises(InputError, match=r"a\.png is 64x48, but its image is 48x64"):
        check_aspect((48, 64), (64, 48), "a.png")


def test_what_lies_beyond_the_palette_of_the_classes(tmp_path):
    """CVAT's border colour and a transparent entry have no label, though the classes come first and in order."""
    values = np.where(IDS == 255, 3, IDS)
    for name, colour, options in (("border", (224, 224, 192), {}), ("erased", (9, 9, 9), {"transparency": 3})):
        image = Image.new("P", (4, 2))
        image.putdata(values.ravel().tolist())
        image.putpalette([part for one in (*THREE.colours, colour) for part in one])
        image.save(tmp_path / f"{name}.png", **options)
        np.testing.assert_array_equal(read_label(tmp_path / f"{name}.png", space=THREE), IDS)


def test_0_and_255_alone_of_many_classes_are_told(tmp_path, caplog):
    assert read_label(grey(tmp_path / "a.png", [[0, 255]]), space=CITYSCAPES_19).tolist() == [[0, 255]]
    assert "taken for the first class of label space 'cityscapes19' and none" in caplog.text
    caplog.clear()
    (tmp_path / "more").mkdir()
    grey(tmp_path / "more" / "b.png", [[3, 255]])
    read_label(grey(tmp_path / "more" / "a.png", [[0, 255]]), space=CITYSCAPES_19)
    assert not caplog.text


def test_ids_in_three_equal_channels_are_refused_with_the_reason(tmp_path):
    Image.fromarray(np.repeat(np.array([[[0], [1], [2]]], np.uint8), 3, -1)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="three channels are alike: if they hold ids, save one channel"):
        read_label(tmp_path / "a.png", space=THREE)
