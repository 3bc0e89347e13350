"""Operation sets: ordered tuples of candidate operations."""

OPERATION_SETS: dict[str, tuple[str, ...]] = {
    # SDAS, section 4.2, O_2D: no "none". The paper gives no order; this one is our choice.
    "o2d": (
        "skip_connect",
        "max_pool_3x3",
        "avg_pool_3x3",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    ),
    # DARTS (Liu et al., 2019), in the order of its architecture parameters.
    "darts": (
        "none",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    ),
    # NAS-Bench-201 (Dong and Yang, 2020), in the order of the benchmark.
    "nasbench201": ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"),
    # H-DAS (AAAI 2021): how whole cells are wired within a stage.
    "stages": ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "none"),
    # SDAS, section 4.2, for clips: windows are frames x height x width. The order is again our choice.
    "o2d_video": (
        "skip_connect",
        "max_pool_1x3x3",
        "avg_pool_1x3x3",
        "sep_conv_1x3x3",
        "sep_conv_1x5x5",
        "dil_conv_1x3x3",
        "dil_conv_1x5x5",
    ),
    "o3d": (
        "skip_connect",
        "max_pool_1x3x3",
        "max_pool_3x3x3",
        "sep_conv_1x3x3",
        "sep_conv_1x5x5",
        "dil_conv_1x3x3",
        "sep3d_conv_3x3x3",
        "sep3d_conv_3x5x5",
        "dil3d_conv_3x3x3",
    ),
    "oadv": (
        "skip_connect",
        "max_pool_1x3x3",
        "max_pool_3x3x3",
        "sep_conv_1x3x3",
        "sep_conv_1x5x5",
        "sep3d_conv_3x3x3",
        "sep3d_conv_3x5x5",
        "channel_scale",
        "channel_bias",
    ),
    # Operations of the published hand-made and evolved cells of the NASNet family.
    "nasnet": (
        "skip_connect",
        "max_pool_3x3",
        "avg_pool_3x3",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "conv_7x1_1x7",
    ),
}
