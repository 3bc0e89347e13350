"""Support of ``torch.jit.script`` for networks."""

from __future__ import annotations

from torch import fx, nn


class Scriptable(nn.Module):
    """Network that ``torch.jit.script`` compiles as its sequence of calls.

    Its own code loops over genotypes, which the compiler does not support. The calls are those of the
    network's current mode: a script of a network in evaluation mode is for evaluation.
    """

    def __prepare_scriptable__(self) -> fx.GraphModule:
        """Return the sequence of calls, for ``torch.jit.script``."""
        traced = fx.symbolic_trace(self)
        # String annotations, as used in these files, would be taken for names.
        for node in traced.graph.nodes:
            node.type = None
        traced.recompile()
        return traced
