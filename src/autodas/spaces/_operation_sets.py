"""Operation sets: ordered tuples of candidate operations."""

OPERATION_SETS: dict[str, tuple[str, ...]] = {
    # SDAS, section 4.2, O_2D: no "none". The paper gives no order; this one is ours.
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
    # What the published hand-made and evolved cells of the NASNet family use.
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
