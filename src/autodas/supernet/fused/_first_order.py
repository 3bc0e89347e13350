"""Backward passes of our own: they have no derivative, and say so."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autodas.errors import AutodasError

Backward = Callable[..., Any]
"""From a context and the gradients that arrive to those of the inputs."""


def first_order(backward: Backward) -> Backward:
    """Mark the backward pass of a function that cannot be differentiated again.

    What is returned raises AutodasError if a gradient of the gradient will be asked for: it would lack a
    term, silently.
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
