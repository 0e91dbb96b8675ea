"""Rays of a small view, and terrains."""

import numpy as np

from vergence.data.toytown.trace import View


def turn(axis: np.ndarray, angle: float) -> np.ndarray:
    axis = axis / np.linalg.norm(axis)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def view_of(centre: tuple[float, float, float], angle: float = 0.1, size: tuple[int, int] = (60, 40)) -> View:
    level = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # right = -y, down = -z, forward = +x
    rotation = turn(np.array([0.3, 1.0, -0.4]), angle) @ level
    return View(rotation, np.array(centre), np.linspace(-0.7, 0.7, size[0]), np.linspace(-0.4, 0.4, size[1]))


def rays(view: View) -> np.ndarray:
    x, y = np.meshgrid(view.x, view.y)
    return np.stack([x, y, np.ones_like(x)], -1) @ view.rotation.T
