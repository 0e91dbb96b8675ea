"""What the page of the demo says of both runs."""

from vergence.report.demo_page import compared


def test_the_comparison_says_so_where_depth_did_not_help() -> None:
    worse, better = ({"rows": [{"name": "trained", "miou": miou}]} for miou in (0.2, 0.3))
    assert "20.0 % on chosen frames with depth, 10.0 points BELOW the 30.0 % of 7 random" in compared(worse, better, 7)
    assert "10.0 points above the 20.0 %" in compared(better, worse, 7)
