"""Networks of autodas as backbones of transformers: importing this module registers them.

.. code-block:: python

    import autodas.transformers
    from transformers import UperNetConfig, UperNetForSemanticSegmentation

    body = autodas.transformers.AutodasBackboneConfig(genotype="darts_v2", out_indices=(0, 1, 2, 3))
    model = UperNetForSemanticSegmentation(UperNetConfig(backbone_config=body, num_labels=21))
"""

from __future__ import annotations

from autodas.optional_imports import import_transformers

import_transformers()

from transformers import AutoBackbone, AutoConfig  # noqa: E402

from autodas.backbones._transformers import AutodasBackbone, AutodasBackboneConfig  # noqa: E402

__all__ = ["AutodasBackbone", "AutodasBackboneConfig"]

AutoConfig.register(AutodasBackboneConfig.model_type, AutodasBackboneConfig)
AutoBackbone.register(AutodasBackboneConfig, AutodasBackbone)
