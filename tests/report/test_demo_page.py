"""What the page of the demo says of both runs."""

from vergence.report.demo_page import compared


def test_the_comparison_says_so_where_nothing_was_gained() -> None:
    worse, better = (
        {"rows": [{"name": "trained", "miou": value, "pixel_accuracy": value + 0.5}]} for value in (0.2, 0.3)
    )
    said = compared(worse, better, 7)
    assert "give 20.0 % mIoU, 10.0 points BELOW the 30.0 % of 7 random frames" in said
    assert "70.0 % of the pixels right, 10.0 points BELOW their 80.0 %" in said
    assert "10.0 points above the 20.0 %" in compared(better, worse, 7)
