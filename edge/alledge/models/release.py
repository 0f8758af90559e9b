"""What is signed about a model beside its bytes: name, version, labels, patch contract, software it needs.

A release is the `custom` part of a TUF target. The device compares it with the card inside the file, so that
a person who signs sees in plain text what a microscope will be told, and a card that says otherwise is found.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from alledge.card import Card
from alledge.models.refusals import LabelsSwapped, PatchContractDiffers, ReleaseDiffers, TargetUndescribed
from alledge.strict_json import Json

KEY: Final = "allscope"  # TUF leaves `custom` to its users; ours is under this name
MAX_VERSION: Final = 999_999
MAX_LABELS: Final = 64
MAX_TEXT: Final = 200
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
TARGET: Final = re.compile(rf"({NAME.pattern})\.v([1-9][0-9]{{0,5}})\.tflite")
SOFTWARE: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}")
NEXT_STEP: Final = "Publish the model again with `allconvert publish`."
# The device cuts patches in one way; these parts of a card say in which (`alledge.patches`).
PATCH_FIELDS: Final = ("um", "px", "colour_order", "illumination_version")


@dataclass(frozen=True, slots=True)
class Release:
    """A model as its publishers describe it.

    name: in the repository. version: counts up from 1. card_name: the name on the card. patch: size of a
    patch, and colour, as on the card. min_software: lowest version of allscope. published_utc: ISO 8601.
    """

    name: str
    version: int
    card_name: str
    labels: tuple[str, ...]
    positive_labels: tuple[str, ...]
    patch: Mapping[str, str]
    min_software: str
    published_utc: str

    @property
    def target(self) -> str:
        """The name of its file."""
        return target_name(self.name, self.version)

    @property
    def published(self) -> datetime:
        """When it was signed."""
        return datetime.fromisoformat(self.published_utc)

    def as_custom(self) -> dict[str, Json]:
        """The `custom` part of its TUF target."""
        return {KEY: {**asdict(self), "labels": [*self.labels], "positive_labels": [*self.positive_labels]}}


def target_name(name: str, version: int) -> str:
    """The file name of a model in a repository."""
    return f"{name}.v{version}.tflite"


def describe(card: Card, name: str, version: int, min_software: str, now: datetime) -> Release:
    """The release of a model with this card. Raises TargetUndescribed for a name or version out of bounds."""
    release = Release(
        name=name,
        version=version,
        card_name=card.name,
        labels=card.labels,
        positive_labels=card.positive_labels,
        patch=patch_texts(card),
        min_software=min_software,
        published_utc=now.astimezone(UTC).replace(microsecond=0).isoformat(),
    )
    return read_release(release.target, release.as_custom())


def patch_texts(card: Card) -> dict[str, str]:
    """A card's patch contract as texts: signed JSON is canonical, and that has no fractions."""
    return {field: f"{getattr(card.patch, field)}" for field in PATCH_FIELDS}


def read_release(target: str, custom: object) -> Release:
    """The release that a signed list tells of a target. Raises TargetUndescribed, naming what is wrong."""
    told = custom.get(KEY) if isinstance(custom, dict) else None
    if not isinstance(told, dict) or set(told) != set(Release.__slots__):
        raise _wrong(target, "its description is missing or has other fields than this version knows")
    patch = told["patch"]
    if not isinstance(patch, dict) or set(patch) != set(PATCH_FIELDS):
        raise _wrong(target, f"`patch` must have the fields {', '.join(PATCH_FIELDS)}")
    release = Release(
        name=_text(target, told, "name"),
        version=_version(target, told["version"]),
        card_name=_text(target, told, "card_name"),
        labels=_texts(target, told["labels"], "labels"),
        positive_labels=_texts(target, told["positive_labels"], "positive_labels"),
        patch={field: _text(target, patch, field) for field in PATCH_FIELDS},
        min_software=_text(target, told, "min_software"),
        published_utc=_text(target, told, "published_utc"),
    )
    _check(target, release)
    return release


def hold_to_card(release: Release, card: Card) -> None:
    """Raise PatchContractDiffers, LabelsSwapped or ReleaseDiffers where a card says otherwise."""
    if dict(release.patch) != patch_texts(card):
        raise PatchContractDiffers(
            f"{release.target} was signed for patches of {_patch(release.patch)}, "
            f"its card says {_patch(patch_texts(card))}.",
            NEXT_STEP,
        )
    if (release.labels, release.positive_labels) != (card.labels, card.positive_labels):
        raise LabelsSwapped(
            f"{release.target} was signed with the labels {', '.join(release.labels)}, "
            f"its card says {', '.join(card.labels)}.",
            NEXT_STEP,
        )
    if release.card_name != card.name:
        raise ReleaseDiffers(
            f"{release.target} was signed as {release.card_name!r}, its card says {card.name!r}.", NEXT_STEP
        )


def software_order(text: str) -> tuple[int, ...]:
    """A version of allscope such as 0.1.0 as numbers that compare; anything after them is left out."""
    found = SOFTWARE.match(text)
    numbers = [int(part) for part in found.group().split(".")] if found else [0]
    return tuple([*numbers, 0, 0, 0, 0][:4])


def _check(target: str, release: Release) -> None:
    if TARGET.fullmatch(target) is None or release.target != target:
        raise _wrong(target, f"it is described as {release.target}")
    if len(release.labels) < 2 or len(set(release.labels)) != len(release.labels):
        raise _wrong(target, "`labels` must be two or more different names")
    if not set(release.positive_labels) < set(release.labels):
        raise _wrong(target, "`positive_labels` must be some of the labels")
    if SOFTWARE.fullmatch(release.min_software) is None:
        raise _wrong(target, "`min_software` must be a version such as 0.1.0")
    try:
        is_zoned = release.published.tzinfo is not None
    except ValueError:
        is_zoned = False
    if not is_zoned:
        raise _wrong(target, "`published_utc` must be a moment in ISO 8601 with its zone")


def _text(target: str, fields: Mapping[str, object], field: str) -> str:
    value = fields[field]
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or not value.isprintable():
        raise _wrong(target, f"`{field}` must be a text of 1 to {MAX_TEXT} printable characters")
    return value


def _texts(target: str, value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_LABELS:
        raise _wrong(target, f"`{field}` must be a list of at most {MAX_LABELS} texts")
    return tuple(_text(target, {field: item}, field) for item in value)


def _version(target: str, value: object) -> int:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, int) or not is_whole or not 1 <= value <= MAX_VERSION:
        shown = "a number" if isinstance(value, float) and not math.isfinite(value) else repr(value)[:40]
        raise _wrong(target, f"`version` must be 1 to {MAX_VERSION}, is {shown}")
    return value


def _patch(patch: Mapping[str, str]) -> str:
    return ", ".join(patch[field] for field in PATCH_FIELDS)


def _wrong(target: str, what: str) -> TargetUndescribed:
    return TargetUndescribed(f"The signed list is wrong about {target[:80]!r}: {what}.", NEXT_STEP)
