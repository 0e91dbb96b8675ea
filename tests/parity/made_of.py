"""Parameters that say how a case's arrays were made, or repeat what the arrays show: no value changes an output.

Every other parameter must be read by the adapter; the runner fails where one was not.
"""

SIZES = ("case", "batch", "height", "width")
"""Of every operation: the arrays have these shapes."""

MADE_OF: dict[str, str] = {
    "corda.berhu_loss": "noise imagemask",  # the mask itself is an input
    "corda.class_mask": "class_set ignore",  # what the labels show
    "corda.confusion_iou": "acc present",
    "corda.cross_entropy": "classes weighted",  # the weights are an input
    "corda.dataset_items": "src",
    "corda.evaluate": "label_size low",
    "corda.one_mix": "target",
    "corda.pixel_weighted_cross_entropy": "classes",
    "corda.pixel_weights": "spread",
    "corda.pretrained_copy": "prefix pretrained",  # of the names of the inputs
    "corda.training_loop": "source_depth_scale target_depth_scale",
    "corda.uda_step": "low",
    "monodepth2.depth_errors": "n spread",
    "monodepth2.eval_protocol": "h w sizes scale",  # the scale that the predictions were made at
    "monodepth2.kitti_item": "src_h src_w",
    "monodepth2.odometry_ate": "n",
    "monodepth2.post_process_disparity": "h w",
    "monodepth2.reprojection_loss": "noise",
    "monodepth2.ssim": "flat noise",
    "monodepth2.transformation_from_parameters": "angle_scale trans_scale zero",
    "monodepth2.velodyne_depth_map": "cam h w points",  # the camera's calibration is an input
    "monodepth2.view_synthesis": "cx cy max rot trans",
    "three_ways.berhu": "crop noise",
    "three_ways.cityscapes_item": "src_h src_w",
    "three_ways.cross_entropy2d": "classes class_weight in_size pixel_weights",
    "three_ways.farthest_point_order": "bias n n_current n_pre",
    "three_ways.feature_distance_loss": "ch",
    "three_ways.feature_distance_matrix": "bias_weight ch h n",
    "three_ways.label_encoding": "n",
    "three_ways.label_selection": "classes",
    "three_ways.lr_schedule": "steps schedule.decay_iter",  # its poly_lr never decays
    "three_ways.mix": "ch mask_dtype",
    "three_ways.mix_mask_class": "class_set ignore",
    "three_ways.optimizer_groups": "gain salt optimizer.name seg_args.weights seg_args.layer_dropout",
    "three_ways.pad_net": "seg_args.weights",  # all weights are loaded
    "three_ways.pixel_entropy": "classes scale",
    "three_ways.pseudo_label_loss": "classes conf gt_image",
    "three_ways.running_score": "acc classes_present",
    "three_ways.segmentation_net": "seg_args.weights seg_args.layer_dropout",  # evaluation mode
    "three_ways.training_loop": "variant",
    "three_ways.uncertainty": "classes n ch",
}
