"""The classical systems of the table: no network, no image but the patch, and seconds to fit."""

from typing import Final

from alltrain.literature.apriori import APRIORI
from alltrain.literature.gknn import GKNN
from alltrain.literature.shape_svm import SHAPE_SVM
from alltrain.literature.system import System

CLASSICAL: Final[tuple[System, ...]] = (GKNN, SHAPE_SVM, APRIORI)
"""Texture alone, then everything that can be measured, then what a person would name."""
