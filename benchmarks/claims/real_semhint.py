"""Do hints from the noisy semantics of a network trained elsewhere help depth of real driving video?"""

from dataclasses import replace
from pathlib import Path

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.real_depth import PICTURES, SHORT, manifests, scores_of
from benchmarks.claims.recipes import RecipeRun, finished
from benchmarks.claims.semhint import ALONE
from benchmarks.studies.three_ways import overrides
from vergence.data.manifest import Manifest

STEPS = 1000
NOISY = "semantics_espnetv2"
"""Folder of a clip with what ESPNetv2 says of each frame; 40 % mIoU and 87 % of the pixels right on KITTI stills."""


def run(lab: Lab, variant: str, number: int) -> Numbers:
    """One picture's scores of a run that the first call trains."""

    def trained() -> Path:
        data = noisy_video(lab).write(lab.out / "noisy-video.parquet")
        words: dict[str, object] = {
            "train__steps": STEPS, "train__checkpoint_every": 250, "frames__batch_size": 4,
            "frames__options__height": SHORT.height, "frames__options__width": SHORT.width,
            "frames__options__fit": "crop", "frames__options__label_space": "cityscapes19",
            "semhint__initialize_from": SHORT.learned(lab), "semhint__labels": "manifest", "semhint__start": 0,
            "semhint__ramp": 200, "semhint__beta_ramp": 400, "semhint__hint_downsample": 1, "optim__lr": 1e-4,
        }  # fmt: skip
        words |= ALONE if variant == "depth alone" else {}
        return finished(lab.run(f"real-semhint-{variant}"), RecipeRun("semhint-video", overrides(**words), data), 0)

    return scores_of(lab, f"real-semhint-{variant.replace(' ', '-')}", trained, "trained", number)


def noisy_video(lab: Lab) -> Manifest:
    """The clips that may teach and have semantics beside them, these as pseudo-labels."""
    video = Manifest.read(manifests(lab)[0])
    found = []
    for place, row in enumerate(video):
        image = video.path(place)
        semantics = image.parents[1] / NOISY / f"{image.stem}.png"
        if semantics.is_file():
            found.append(replace(row, pseudo_label=str(semantics), pseudo_label_space="cityscapes19"))
    return Manifest(found, video.root, "clips with noisy semantics")


CLAIM = Claim(
    name="real_semhint",
    says="Hints from noisy semantics (SemHint-MD) bring depth of real driving video nearer to lidar.",
    setup=f"""The clips that may teach under protocol.json and have semantics beside them (ESPNetv2, trained elsewhere),
    one camera, {SHORT.width}x{SHORT.height}, batches of 4: recipe semhint-video goes on from the run of claim
    real_depth_small for {STEPS:,} steps, with hints (full size) and branch or without. Of the 49 distinct KITTI 2015
    pictures the 48 with lidar judge (up to 80 m, Garg crop, median scaling per image). One run each: pictures take the
    place of seeds in the interval.""",
    variants=("depth alone", "hints"),
    comparisons=(
        Comparison("hints", "depth alone", "abs_rel", lower=True),
        Comparison("hints", "depth alone", "a1"),
    ),
    deciding=1,
    seeds=PICTURES,
    run=run,
    seconds=0.1,
    preparation=2 * 1.2 * STEPS,
)
