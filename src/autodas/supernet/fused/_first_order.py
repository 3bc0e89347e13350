"""Custom backward passes, which have no derivative and raise an error if one is requested."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autodas.errors import AutodasError

Backward = Callable[..., Any]
"""Function from a context and the incoming gradients to those of the inputs."""


def first_order(backward: Backward) -> Backward:
    """Mark the backward pass of a function that cannot be differentiated again.

    The result raises AutodasError if a gradient of the gradient may be requested, which would silently lack a
    term.
    """
    once = once_differentiable(backward)

    @wraps(backward)
    def refusing(ctx: Any, *upstream: Tensor) -> Any:
        if torch.is_grad_enabled():
            raise AutodasError(
                "the fused engine has no gradient of its gradient: use the reference engine for the exact "
                "second order, or finite differences"
            )
        return once(ctx, *upstream)

    return refusing
