"""Our dataclasses as plain JSON values and back, by their own declarations.

The journal must give back what was put in, to the last bit, years later; a hand-written list of fields
would forget the one that was added last. Extra fields of a stored object are ignored, and a missing one
takes its default, so that a type may grow.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from alledge.strict_json import Json

T = TypeVar("T")


def to_plain(value: object) -> Json:
    """Dataclasses and mappings become objects, tuples become lists, numpy's numbers become Python's.

    Raises TypeError for anything that JSON cannot hold.
    """
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, int | float):
        return value
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def from_plain(kind: type[T], value: Json) -> T:
    """The dataclass `kind` from the object that `to_plain` made of one. Raises ValueError for another."""
    built = _build(kind, value)
    if not isinstance(built, kind):
        raise _unexpected(kind, value)
    return built


def _build(hint: object, value: Json) -> object:
    """A value of the declared type."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _build_dataclass(hint, value)
    if get_origin(hint) in (Union, types.UnionType):
        return _build_optional(hint, value)
    if get_origin(hint) is tuple:
        return _build_tuple(hint, value)
    if get_origin(hint) is not None:
        return _build_mapping(hint, value)
    return _build_simple(hint, value)


@cache
def _hints(kind: type) -> dict[str, object]:
    """Declared types by field; looking them up took half the time of reading a slide."""
    return get_type_hints(kind)


def _build_dataclass(kind: type, value: Json) -> object:
    if not isinstance(value, dict):
        raise _unexpected(kind, value)
    hints = _hints(kind)
    given = {
        field.name: _build(hints[field.name], value[field.name])
        for field in fields(kind)
        if field.name in value or _is_needed(field)
    }
    return kind(**given)


def _is_needed(field: "Field[object]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _build_optional(hint: object, value: Json) -> object:
    (inner,) = [choice for choice in get_args(hint) if choice is not type(None)]
    return None if value is None else _build(inner, value)


def _build_tuple(hint: object, value: Json) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise _unexpected(hint, value)
    kinds = get_args(hint)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_build(kinds[0], item) for item in value)
    return tuple(_build(kind, item) for kind, item in zip(kinds, value, strict=True))


def _build_mapping(hint: object, value: Json) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _unexpected(hint, value)
    item_kind = get_args(hint)[-1]
    return {name: _build(item_kind, item) for name, item in value.items()}


def _build_simple(hint: object, value: Json) -> object:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(str(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise _unexpected(hint, value)


def _unexpected(hint: object, value: Json) -> ValueError:
    return ValueError(f"expected {hint}, got {str(value)[:60]!r}")
