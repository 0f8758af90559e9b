"""JSON read strictly: every field present, of its type and in its range, or an error that names it.

A model file comes from somewhere else. Whatever it says is data to be checked, so that a wrong
card stops at the door with the name of the field, and not as a strange number in a result.
"""

import json
import math
from collections.abc import Mapping
from typing import NoReturn, TypeAlias

from alledge.errors import ModelUnreadable

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
NEXT_STEP = "Write it again with `alltrain fit` or `allconvert quantize`, or use a copy of the original."


def field_wrong(field: str, expected: str, got: object) -> ModelUnreadable:
    """The error for one field of a card: its name, what it must be, and what it is."""
    shown = repr(got)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return ModelUnreadable(
        f"The model's card is wrong: `{field}` must be {expected}, but is {shown}.", NEXT_STEP
    )


def parse_object(text: str) -> "JsonObject":
    """The JSON object that a text holds. Raises ModelUnreadable for anything else, NaN included."""
    try:
        value: Json = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_fields)
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(f"The model's card is no JSON: {error}.", NEXT_STEP) from error
    return JsonObject(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ModelUnreadable(f"The model's card holds {name}, which is no number.", NEXT_STEP)


def _unique_fields(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ModelUnreadable("The model's card names a field twice.", NEXT_STEP)
    return fields


class JsonObject:
    """A JSON object whose fields are taken one by one; `finish` says that none is left over."""

    def __init__(self, value: Json, path: str = "") -> None:
        if not isinstance(value, dict):
            raise field_wrong(path or "card", "an object", value)
        self._path = path
        self._left = dict(value)

    def _take(self, name: str) -> tuple[str, Json]:
        field = f"{self._path}.{name}" if self._path else name
        if name not in self._left:
            raise ModelUnreadable(f"The model's card lacks the field `{field}`.", NEXT_STEP)
        return field, self._left.pop(name)

    def text(self, name: str) -> str:
        """A string."""
        field, value = self._take(name)
        if not isinstance(value, str):
            raise field_wrong(field, "a text", value)
        return value

    def flag(self, name: str) -> bool:
        """A truth value: true or false."""
        field, value = self._take(name)
        if not isinstance(value, bool):
            raise field_wrong(field, "true or false", value)
        return value

    def integer(self, name: str) -> int:
        """A whole number."""
        field, value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise field_wrong(field, "a whole number", value)
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        field, value = self._take(name)
        return _finite(field, value)

    def number_or_none(self, name: str) -> float | None:
        """A finite number or null."""
        field, value = self._take(name)
        return None if value is None else _finite(field, value)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        field, value = self._take(name)
        return _finite_list(field, value)

    def numbers_or_none(self, name: str) -> tuple[float, ...] | None:
        """A list of finite numbers, or null."""
        field, value = self._take(name)
        return None if value is None else _finite_list(field, value)

    def matrix(self, name: str) -> tuple[tuple[float, ...], ...]:
        """A list of lists of finite numbers."""
        field, value = self._take(name)
        if not isinstance(value, list):
            raise field_wrong(field, "a list of lists of numbers", value)
        return tuple(_finite_list(f"{field}[{row}]", cells) for row, cells in enumerate(value))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        field, value = self._take(name)
        if not isinstance(value, list):
            raise field_wrong(field, "a list of texts", value)
        texts = tuple(text for text in value if isinstance(text, str))
        if len(texts) != len(value):
            raise field_wrong(field, "a list of texts", value)
        return texts

    def mapping(self, name: str) -> Mapping[str, Json]:
        """An object kept as it is."""
        field, value = self._take(name)
        if not isinstance(value, dict):
            raise field_wrong(field, "an object", value)
        return value

    def child(self, name: str) -> "JsonObject":
        """An object whose own fields are taken one by one."""
        field, value = self._take(name)
        return JsonObject(value, field)

    def child_or_none(self, name: str) -> "JsonObject | None":
        """An object whose own fields are taken one by one, or null."""
        field, value = self._take(name)
        return None if value is None else JsonObject(value, field)

    def children_if_any(self, name: str) -> "tuple[JsonObject, ...]":
        """A list of objects, whose own fields are taken one by one; none where older files lack the field."""
        if name not in self._left:
            return ()
        field, value = self._take(name)
        if not isinstance(value, list):
            raise field_wrong(field, "a list of objects", value)
        return tuple(JsonObject(item, f"{field}[{index}]") for index, item in enumerate(value))

    def finish(self) -> None:
        """Raise ModelUnreadable when a field is left that nobody asked for."""
        if self._left:
            field = f"{self._path}.{min(self._left)}" if self._path else min(self._left)
            raise ModelUnreadable(
                f"The model's card has a field that this version does not know: `{field}`.", NEXT_STEP
            )


def _finite(field: str, value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise field_wrong(field, "a finite number", value)
    try:
        number = float(value)
    except OverflowError as error:  # a whole number of hundreds of digits
        raise field_wrong(field, "a finite number", "of more digits than a float holds") from error
    if not math.isfinite(number):
        raise field_wrong(field, "a finite number", value)
    return number


def _finite_list(field: str, value: Json) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise field_wrong(field, "a list of numbers", value)
    return tuple(_finite(f"{field}[{index}]", item) for index, item in enumerate(value))
