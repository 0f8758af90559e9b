"""alledge: the device. Owns how pixels become patches, calls and field results.

The pixel path reads top to bottom in these modules, each a pure function on arrays:
`illumination` -> `pixel_size` -> `cells` -> `patches` -> `classifier` -> `calls`, joined in `pipeline`.
Cameras, files and the command line are thin adapters around it. Nothing here imports TensorFlow.
"""

from importlib.metadata import version
from typing import Final

__version__: Final = version("allscope")

RESEARCH_USE_ONLY: Final = (
    "Research use only. Not for diagnosis. Supports a haematologist, never replaces one."
)
