"""Files of a camera's motion, and speeds."""

from pathlib import Path

import numpy as np
import pytest

from vergence.data.known_motion import local_metres, parse_speed, read_motion
from vergence.errors import InputError


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_forms_give_the_same_positions(tmp_path: Path) -> None:
    places = np.array([[0, 0, 0], [1, 2, 3], [2, 4, 7.0]])
    files = {
        "kitti.txt": "".join(f"1 0 0 {x} 0 1 0 {y} 0 0 1 {z}\n" for x, y, z in places),
        "tum.txt": "# a drive\n" + "".join(f"{t} {x} {y} {z} 0 0 0 1\n" for t, (x, y, z) in enumerate(places)),
        "named.csv": "frame,time,x,y,z,mode\n"
        + "".join(f"a,{t},{x},{y},{z},auto\n" for t, (x, y, z) in enumerate(places)),
        "ins.txt": "# frame time_s x_m y_m z_m heading_rad\n"
        + "".join(f"00{t} {t} {x} {y} {z} 0.5\n" for t, (x, y, z) in enumerate(places)),
    }  # fmt: skip
    for name, text in files.items():
        motion = read_motion(written(tmp_path / name, text))
        np.testing.assert_array_equal(motion.positions, places)
        assert motion.name == name
        assert (motion.times is None) == (name == "kitti.txt")
        if motion.times is not None:
            np.testing.assert_array_equal(motion.times, [0, 1, 2])


def test_speeds_become_ways(tmp_path: Path) -> None:
    motion = read_motion(written(tmp_path / "wheels.csv", "timestamp,speed (m/s)\n0,2\n1,4\n3,4\n"))
    assert motion.along
    np.testing.assert_allclose(motion.positions[:, 0], [0, 3, 11])


def test_places_on_the_globe_become_metres() -> None:
    # a degree of latitude at 49 N is 111.215 km, one of longitude 73.172 km (WGS 84, NGA's tables)
    east = local_metres(np.array([49.0, 49.0]), np.array([179.9999, -179.9999]), np.zeros(2))
    np.testing.assert_allclose(east[1], [73172 * 2e-4, 0, 0], rtol=1e-4)
    north = local_metres(np.array([48.9995, 49.0005]), np.array([8.0, 8.0]), np.array([110.0, 112.0]))
    np.testing.assert_allclose(north[1], [0, 111.215, 2], rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 0 0 0 1 0 0 0 0 1 nan\n", "line 1 has 'nan', expected a finite number"),
        ("time,x,y\n0,1,2\n1,nan,2\n", "line 3 has x 'nan', expected a finite number"),
        ("time,x,y\n0,1,2\n1,2\n", "line 3 has 2 cells, expected 3"),
        ("time,x,y\n0,1,2\n2,2,2\n1,3,3\n", "times do not rise at position 3"),
        ("time,x,y\n0,1,2\n", "holds 1 positions, expected two or more"),
        ("time,lat,lon\n0,99,2\n1,3,4\n", "no angle in degrees"),
        ("time,heading\n0,99\n1,3\n", "has the columns time, heading; give KITTI poses"),
        ("1 2 3\n4 5 6\n", "has 3 numbers a line and names no columns"),
        ("# nothing\n", "holds no numbers"),
        ("", "holds no numbers"),
    ],
)
def test_what_is_no_motion_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_motion(written(tmp_path / "m.txt", text))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_motion(tmp_path / "none.txt")


def test_speeds() -> None:
    assert parse_speed(13.9) == parse_speed("13.9") == parse_speed("13.9 m/s") == 13.9
    assert parse_speed("50km/h") == parse_speed("50 kmh") == pytest.approx(13.889, rel=1e-4)
    for wrong in (0, -3, float("nan"), "fast", "3 knots", "1_0", "inf", ""):
        with pytest.raises(InputError, match="give metres per second, or for example 50km/h"):
            parse_speed(wrong)
