"""Datasets of any known layout, turned into patches through the device's pixel path.

`load_patches` is the way in; `registry.py` lists the layouts, one small module each.
"""

from alltrain.datasets.dataset import MORPHOLOGY, PatchSet, fingerprint
from alltrain.datasets.loading import Progress, load_patches

__all__ = ["MORPHOLOGY", "PatchSet", "Progress", "fingerprint", "load_patches"]
