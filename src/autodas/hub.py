"""Trained networks on the Hugging Face Hub, and in folders of its layout."""

from __future__ import annotations

from autodas.export._hub import HubNetwork, write_hub

__all__ = ["HubNetwork", "write_hub"]
