"""Differentiable architecture search for image and video recognition."""

__version__ = "0.1.0"
