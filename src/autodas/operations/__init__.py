"""Candidate operations, written once for 2 and 3 dimensions."""

from autodas.operations._channels import ChannelBias, ChannelOperation, ChannelScale
from autodas.operations._convolutions import (
    DenseConv,
    FactorizedConv,
    FactorizedReduce,
    ReLUConvNorm,
    SeparableConv,
    SeparableUnit,
    convolution,
)
from autodas.operations._norm import SEARCH_NORMS, TRAIN_NORMS, Norms, batch_norm
from autodas.operations._partial import ALL_CHANNELS, PartialChannels
from autodas.operations._registry import build, check_dimensions, register, registered, window
from autodas.operations._separable_3d import Separable3dConv, Separable3dUnit
from autodas.operations._simple import Pool, Zero
from autodas.spaces import PoolNorm

__all__ = [
    "ALL_CHANNELS",
    "SEARCH_NORMS",
    "TRAIN_NORMS",
    "ChannelBias",
    "ChannelOperation",
    "ChannelScale",
    "DenseConv",
    "FactorizedConv",
    "FactorizedReduce",
    "Norms",
    "PartialChannels",
    "Pool",
    "PoolNorm",
    "ReLUConvNorm",
    "Separable3dConv",
    "Separable3dUnit",
    "SeparableConv",
    "SeparableUnit",
    "Zero",
    "batch_norm",
    "build",
    "check_dimensions",
    "convolution",
    "register",
    "registered",
    "window",
]
