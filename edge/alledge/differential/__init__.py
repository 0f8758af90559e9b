"""The count that a haematologist expects of a slide: a differential of 100 or 200 cells, and how sure it is.

`exact` gives the interval of a counted share, `correction` takes the model's known errors out of it,
`stopping` says when there are enough cells, `count` puts them together, and
`as_json` lays the result out. Research use only.
"""

from alledge.differential.as_json import differential_to_dict
from alledge.differential.count import CountedCell, Differential, Share, corrected_share, differential
from alledge.differential.stopping import StopRule

__all__ = [
    "CountedCell",
    "Differential",
    "Share",
    "StopRule",
    "corrected_share",
    "differential",
    "differential_to_dict",
]
