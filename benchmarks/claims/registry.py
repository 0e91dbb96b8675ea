"""All claims, cheapest first: the order in which what is missing is run."""

from benchmarks.claims import (
    bf16,
    carried_labels,
    chosen_frames,
    chosen_real,
    corda,
    depth_start,
    flywheel,
    kitti_segmentation,
    kitti_video,
    mixing,
    real_depth,
    real_semhint,
    semhint,
)

CLAIMS = (
    depth_start.FROZEN,
    chosen_frames.CLAIM,
    carried_labels.CLAIM,
    chosen_real.CAMVID,
    chosen_real.KITTI,
    kitti_segmentation.CLAIM,
    bf16.CLAIM,
    chosen_frames.BY_STUDENTS,
    depth_start.TUNED,
    mixing.CLAIM,
    flywheel.CLAIM,
    corda.CLAIM,
    semhint.CLAIM,
    semhint.HALF_SIZE,
    real_depth.SMALL,
    real_depth.LARGER,
    kitti_video.CLAIM,
    real_semhint.CLAIM,
    real_depth.CLAIM,
)
