"""Small scenes of the town."""

from vergence.data.toytown import TownFrame, TownOptions, render_street

SMALL = TownOptions(width=96, height=48, stereo=False)


def one(options: TownOptions, street: int, frame: int) -> TownFrame:
    return next(render_street(options, street, 1, start=frame))
