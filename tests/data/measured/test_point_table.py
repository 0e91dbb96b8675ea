import pytest
import torch

from vergence.data.measured.point_table import read_points
from vergence.errors import InputError
from vergence.metrics.points import point_errors

MARKED = """frame,point,x,y,visible,border
0,a,10,20,1,0
0,b,30,40.5,1,1
10,a,12,20,1,0
10,b,,,0,1
"""


def table(tmp_path, text, name="points.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_points(tmp_path / name)


def test_marked_points(tmp_path):
    found = table(tmp_path, MARKED)
    assert (found.frames, found.points) == ((0, 10), ("a", "b"))
    assert found.positions[0].tolist() == [[10.0, 20.0], [30.0, 40.5]]
    assert found.positions[1, 1].isnan().all()
    assert found.visible.tolist() == [[True, True], [True, False]]
    assert found.border.tolist() == [False, True]


def test_tracked_points_are_aligned_with_the_marked_ones(tmp_path):
    marked = table(tmp_path, MARKED)
    lines = [f"{t},{p},{x},20" for t in range(12) for p, x in (("b", 33), ("a", 10), ("extra", 0))]
    tracked = table(tmp_path, "\ufeffframe, point, x, y\n" + "\n".join(lines) + "\n", "tracked.csv")
    assert tracked.visible.all()
    found = point_errors(tracked.like(marked), marked.positions, marked.visible, marked.border)
    assert found.inner == (1.0, 1.0, 2, 0)
    assert found.border.mean == pytest.approx((3**2 + 20.5**2) ** 0.5)
    fewer = table(tmp_path, "frame,point,x,y\n0,b,33,20\n", "fewer.csv").like(marked)
    assert torch.equal(fewer.isfinite()[..., 0], torch.tensor([[False, True], [False, False]]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks the column 'frame'"),
        ("frame,point,x\n0,a,1\n", "lacks the column 'y'"),
        ("frame,point,x,y,visble\n0,a,1,2,1\n", "did you mean 'visible'"),
        ("frame,point,x,y\n", "has no points"),
        ("frame,point,x,y\n0.5,a,1,2\n", "line 2: frame '0.5' is no whole number"),
        ("frame,point,x,y\n0,a,left,2\n", "x is 'left'"),
        ("frame,point,x,y\n0,a,1,2\n0,a,1,2\n", "line 3: point 'a' has no name or is twice"),
        ("frame,point,x,y,visible\n0,a,,2,1\n", "is visible and has no x and y"),
        ("frame,point,x,y,visible\n0,a,1,2,maybe\n", "visible is 'maybe'"),
        ("frame,point,x,y,border\n0,a,1,2,1\n1,a,1,2,0\n", "on the border in some frames only"),
    ],
)
def test_broken_tables(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        table(tmp_path, text)


def test_missing_file_and_tables_that_do_not_meet(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_points(tmp_path / "none.csv")
    marked = table(tmp_path, MARKED)
    with pytest.raises(InputError, match="no frame in common"):
        table(tmp_path, "frame,point,x,y\n7,a,1,2\n", "other.csv").like(marked)
    with pytest.raises(InputError, match="no point in common"):
        table(tmp_path, "frame,point,x,y\n0,c,1,2\n", "other.csv").like(marked)
