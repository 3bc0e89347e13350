"""The form of a network that ``torch.jit.script`` understands."""

from __future__ import annotations

from torch import fx, nn


class Scriptable(nn.Module):
    """A network that ``torch.jit.script`` takes as the calls that it makes.

    Its own code loops over genotypes, which that compiler does not know. The calls are those of the mode that
    the network is in: a script of a network in evaluation mode is for evaluation.
    """

    def __prepare_scriptable__(self) -> fx.GraphModule:
        """Return the calls; ``torch.jit.script`` asks for them."""
        traced = fx.symbolic_trace(self)
        # Types that are written as text, as they are in these files, would be taken for names.
        for node in traced.graph.nodes:
            node.type = None
        traced.recompile()
        return traced
