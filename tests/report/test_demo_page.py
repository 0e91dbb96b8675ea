"""What the page of the demo says of both runs."""

from pathlib import Path

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.report.demo_page import carried_from, compared


def test_the_comparison_says_so_where_nothing_was_gained() -> None:
    worse, better = (
        {"rows": [{"name": "trained", "miou": value, "pixel_accuracy": value + 0.5}]} for value in (0.2, 0.3)
    )
    said = compared(worse, better, 7)
    assert "give 20.0 % mIoU, 10.0 points BELOW the 30.0 % of 7 random frames" in said
    assert "70.0 % of the pixels right, 10.0 points BELOW their 80.0 %" in said
    assert "10.0 points above the 20.0 %" in compared(better, worse, 7)


def test_what_a_label_reached_ends_at_other_labels_and_after_the_seconds_it_was_carried() -> None:
    def row(sequence: str, position: int, origin: str) -> FrameRow:
        return FrameRow(f"{sequence}{position}.png", sequence, position, fps=10.0, label="l.png" if origin else "",
                        label_origin="" if origin == "hand" else origin)  # fmt: skip

    by_hand = (20, 40)
    video = [row("a", place, "hand" if place in by_hand else "carried" if place > 3 else "") for place in range(80)]
    data = Manifest([*video, *(row("b", place, "carried") for place in range(30))], Path())
    places = {labelled: [place for place, _ in carried_from(data, labelled, 3.0)] for labelled in by_hand}
    assert places[20] == [*range(4, 20), *range(21, 40)], "3 seconds back there are frames without a label"
    assert places[40] == [*range(21, 40), *range(41, 71)]
    assert all(data[index].sequence == "a" for _, index in carried_from(data, 20, 3.0))
