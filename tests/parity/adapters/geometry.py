"""Geometry of the official programs."""

import numpy as np
import torch

from tests.parity.registry import Case, operation
from vergence.geometry.camera import backproject, disparity_to_depth
from vergence.geometry.lidar import project_lidar
from vergence.geometry.pose import axis_angle_to_matrix, transform_from_parameters
from vergence.geometry.warp import projection_rays, sampling_grid, warp


def tensors(inputs: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in inputs.items()}


@operation("monodepth2.disp_to_depth")
def disp_to_depth(inputs: dict, params: dict, case: Case) -> dict:
    inverse_depth, depth = disparity_to_depth(
        torch.from_numpy(inputs["disp"]), params["min_depth"], params["max_depth"]
    )
    return {"scaled_disp": inverse_depth.numpy(), "depth": depth.numpy()}


@operation("monodepth2.transformation_from_parameters")
def transformation(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    axis_angle, translation = data["axisangle"][:, 0], data["translation"][:, 0]
    rotation = torch.eye(4).repeat(len(axis_angle), 1, 1)
    rotation[:, :3, :3] = axis_angle_to_matrix(axis_angle)
    return {
        "T": transform_from_parameters(axis_angle, translation, params.get("invert", False)).numpy(),
        "R": rotation.numpy(),
    }


@operation("monodepth2.view_synthesis")
def view_synthesis(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    depth = data["depth"].clone().requires_grad_()
    intrinsics = data["K"][:, :3, :3]
    height, width = depth.shape[-2:]
    points = backproject(depth, intrinsics).flatten(2)
    homogeneous = torch.cat((points, torch.ones_like(points[:, :1])), dim=1)
    rays, offset = projection_rays(intrinsics, intrinsics[:, None], data["T"][:, None], height, width)
    grid, _ = sampling_grid(depth, rays, offset)
    warped = warp(data["source"][:, None], grid, align_corners=params.get("align_corners", True))[:, 0]
    (gradient,) = torch.autograd.grad(warped.square().mean(), depth)
    out = {"cam_points": homogeneous, "sample_grid": grid[:, 0], "warped": warped, "grad_depth": gradient}
    return {name: value.detach().numpy() for name, value in out.items()}


@operation("monodepth2.velodyne_depth_map")
def velodyne(inputs: dict, params: dict, case: Case) -> dict:
    width, height = inputs["S_rect_02"].astype(int)
    matrices = (inputs[name] for name in ("P_rect", "R_rect_00", "R", "T"))
    kind = "forward" if params.get("vel_depth", True) else "camera"
    depth = project_lidar(inputs["points"], *matrices, (height, width), depth=kind, legacy_duplicates=True)
    return {"depth": depth}
