"""What a method says, averaged over flips and windows."""

import torch

from tests.evaluation.class_runs import HEIGHT, WIDTH, RedMethod
from vergence.inference.network_maps import Window, predict_maps


class EdgeMethod(RedMethod):
    """Says road in the left quarter of whatever it sees, and is sure of it to a degree; else sky, less sure."""

    def predict(self, images):
        logits = torch.zeros(len(images), 3, *images.shape[-2:])
        logits[:, 0] = 1.0
        logits[..., : images.shape[-1] // 4] = torch.tensor([0.0, 3.0, 0.0])[:, None, None]
        return {"logits": logits}


def test_flip_averages_probabilities():
    images = torch.zeros(2, 3, HEIGHT, WIDTH)
    both = predict_maps(EdgeMethod(), images, flip=True)["logits"]
    plain = EdgeMethod().predict(images)["logits"].softmax(1)
    torch.testing.assert_close(both.softmax(1), (plain + plain.flip(-1)) / 2)
    torch.testing.assert_close(both.exp().sum(1), torch.ones(2, HEIGHT, WIDTH))


def test_windows_cover_the_picture_and_are_averaged():
    images = torch.rand(1, 3, HEIGHT, WIDTH)
    whole = RedMethod().predict(images)["logits"]  # says the same of a pixel in any window
    for window in (Window(32, 32), Window(64, 48, 0.25), Window(100, 500), Window(17, 128, 0)):
        found = predict_maps(RedMethod(), images, window=window)["logits"]
        torch.testing.assert_close(found.softmax(1), whole.softmax(1))
    assert Window(32, 32).corners(64, 64) == [(t, left) for t in (0, 16, 32) for left in (0, 16, 32)]
    assert Window(60, 100, 0).corners(64, 100) == [(0, 0), (4, 0)]
    # the left quarter of each of two windows of 64 columns
    found = predict_maps(EdgeMethod(), images, window=Window(64, 64, 0))["logits"].argmax(1)
    assert found[0, 0].tolist() == [1] * 16 + [0] * 48 + [1] * 16 + [0] * 48
