"""The layouts by name."""

from collections.abc import Callable

from vergence.data.layouts.camvid import camvid
from vergence.data.layouts.cityscapes import cityscapes
from vergence.data.layouts.clips import driving_video, folder, folder_intrinsics, stereo_folders
from vergence.data.layouts.comma10k import comma10k
from vergence.data.layouts.gta5 import gta5
from vergence.data.layouts.kitti2015 import kitti2015
from vergence.data.layouts.kitti_odometry import kitti_odometry
from vergence.data.layouts.kitti_raw import kitti_raw
from vergence.data.layouts.kitti_semantics import kitti_semantics
from vergence.data.layouts.mapillary import mapillary
from vergence.data.layouts.scared import scared
from vergence.data.layouts.super_endoscopy import super_endoscopy
from vergence.data.layouts.synthia import synthia
from vergence.data.layouts.toytown import toytown
from vergence.data.layouts.videos import video
from vergence.data.layouts.viper import viper
from vergence.data.manifest import Manifest

LAYOUTS: dict[str, Callable[..., Manifest]] = {
    "camvid": camvid,
    "cityscapes": cityscapes,
    "comma10k": comma10k,
    "driving_video": driving_video,
    "folder": folder,
    "folder_intrinsics": folder_intrinsics,
    "gta5": gta5,
    "kitti2015": kitti2015,
    "kitti_odometry": kitti_odometry,
    "kitti_raw": kitti_raw,
    "kitti_semantics": kitti_semantics,
    "mapillary": mapillary,
    "scared": scared,
    "stereo_folders": stereo_folders,
    "super_endoscopy": super_endoscopy,
    "synthia": synthia,
    "toytown": toytown,
    "video": video,
    "viper": viper,
}
"""Layout name -> function(root, **options) -> Manifest."""
