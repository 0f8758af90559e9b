"""Every system that `alltrain compare` knows, in the order in which they are fitted: ours first.

Each family is imported when it is asked for, so that a table of networks does not need scikit-image.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from alltrain.literature.system import System

Family: TypeAlias = Callable[[], tuple[System, ...]]

REFERENCE: Final = "smearnet"
"""The row that all others are compared with."""

SHORTCUTS: Final = "shortcuts"
"""Stands for all rows of shortcuts.py; they need the images, so they are made once the data are read."""


def _ours() -> tuple[System, ...]:
    from alltrain.literature.ours import our_systems

    return our_systems()


def _networks() -> tuple[System, ...]:
    from alltrain.literature.networks import NETWORKS

    return NETWORKS


def _classical() -> tuple[System, ...]:
    from alltrain.literature.apriori import APRIORI
    from alltrain.literature.gknn import GKNN
    from alltrain.literature.shape_svm import SHAPE_SVM

    return (GKNN, SHAPE_SVM, APRIORI)


_FAMILIES: Final[tuple[Family, ...]] = (_ours, _classical, _networks)


def all_systems() -> tuple[System, ...]:
    """Every system but shortcuts. A fresh set: systems of ours keep a compiled network between folds."""
    return tuple(system for family in _FAMILIES for system in family())


def choose_systems(keys: Sequence[str]) -> tuple[System, ...]:
    """The systems with these keys, in table order; all of them when `keys` is empty.

    keys: may hold `SHORTCUTS`, which names none of them.

    Raises:
        KeyError: a key is unknown; the message lists those that are known.
    """
    known = all_systems()
    names = [*(system.key for system in known), SHORTCUTS]
    unknown = sorted(set(keys) - set(names))
    if unknown:
        raise KeyError(f"{', '.join(unknown)} is no system of the table; known are {', '.join(names)}")
    return tuple(system for system in known if not keys or system.key in keys)
