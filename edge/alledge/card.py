"""The model's card: everything a result rests on beside the weights, in one readable JSON text.

Which labels, which of them count as positive, how patches were cut, how a logit becomes a
probability and a probability a call, what the model scored and on what. The device takes all of
it from the card and nothing from a setting, so a model cannot be read with another model's threshold.

`Card` cannot be made wrong: every rule is checked when one is built, by code or from JSON.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from alledge.familiarity import FEATURE_NAMES, Familiarity
from alledge.illumination import ILLUMINATION_VERSION
from alledge.patches import PATCH_PX, PATCH_UM
from alledge.strict_json import Json, JsonObject, field_wrong, parse_object

FORMAT_VERSION: Final = 1
# What a layer may compute in when it is named as an exception, and the types that its tensors then have.
PRECISIONS: Final[Mapping[str, str]] = {"16x8": "int16", "float32": "float32"}
INTENDED_USE: Final = (
    "Research use only. Sorts single white cells of stained peripheral blood smears for a haematologist "
    "to look at; it supports their judgement and never replaces it."
)


@dataclass(frozen=True, slots=True)
class PatchContract:
    """How a cell becomes the network's input. A device that cuts patches otherwise refuses the model."""

    um: float
    px: int
    colour_order: str
    illumination_version: str


@dataclass(frozen=True, slots=True)
class NamedException:
    """A layer that is no int8, named so that a file cannot be anything else in secret.

    layer: its name in the float network. precision: one of `PRECISIONS`. tensors: names of all tensors in
    the flatbuffer that are therefore no int8; a device takes no others.
    """

    layer: str
    precision: str
    tensors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quantisation:
    """real = scale x (integer - zero point), at both ends, and what the ranges were measured on.

    The integers that go in are the grey levels of the patch: their scale is 1, and the zero point is the
    grey level that the network takes for nothing.
    representative_sha256: hash of the training patches that set the ranges, in their order.
    exceptions: layers that are no int8; empty for a network that is int8 all through.
    """

    method: str
    input_scale: float
    input_zero_point: int
    output_scale: float
    output_zero_point: int
    n_representative: int
    representative_sha256: str
    exceptions: tuple[NamedException, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """What a model says about itself.

    labels: one a logit, negative classes first. positive_labels: those that count as a finding;
        may be empty, then `threshold` and `review_band` are None and the most likely label is called.
    quantisation: None for a float model in a RUN folder.
    temperature: logits are divided by it before the softmax.
    threshold: a cell is positive when the summed probability of the positive labels reaches it.
    review_band: from low to high, around the threshold: a person must look.
    metrics: figures as `{"value", "ci95", "n", "n_groups"}`.
    phantom: fitted on rendered smears, so it says nothing about clinical performance.
    notes: sentences that every report repeats.
    """

    name: str
    labels: tuple[str, ...]
    positive_labels: tuple[str, ...]
    patch: PatchContract
    quantisation: Quantisation | None
    temperature: float
    threshold: float | None
    review_band: tuple[float, float] | None
    familiarity: Familiarity | None
    metrics: Mapping[str, Json]
    data_fingerprint: str
    layout: str
    grouped: bool
    phantom: bool
    notes: tuple[str, ...]
    versions: Mapping[str, str]
    intended_use: str = INTENDED_USE
    research_use_only: bool = True
    format_version: int = field(default=FORMAT_VERSION)

    def __post_init__(self) -> None:
        _check_identity(self)
        _check_labels(self)
        _check_decision(self)
        _check_patch(self.patch)
        if self.quantisation is not None:
            _check_quantisation(self.quantisation)
        if self.familiarity is not None:
            _check_familiarity(self.familiarity)

    def to_json(self) -> str:
        """The card as text: one field a line, the same bytes for the same card."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def decision_sha256(self) -> str:
        """SHA-256, as hex digits, of all that turns logits into calls: a changed threshold changes it."""
        parts = (
            self.labels,
            self.positive_labels,
            asdict(self.patch),
            self.temperature,
            self.threshold,
            self.review_band,
            None if self.familiarity is None else asdict(self.familiarity),
        )
        return hashlib.sha256(json.dumps(parts, allow_nan=False).encode()).hexdigest()

    @staticmethod
    def from_json(text: str) -> "Card":
        """Read a card. Raises ModelUnreadable, naming the field, when anything is missing or wrong."""
        fields = parse_object(text)
        version = fields.integer("format_version")
        if version != FORMAT_VERSION:
            raise field_wrong("format_version", f"{FORMAT_VERSION}, the one this version reads", version)
        band = fields.numbers_or_none("review_band")
        if band is not None and len(band) != 2:
            raise field_wrong("review_band", "[low, high]", band)
        card = Card(
            name=fields.text("name"),
            labels=fields.texts("labels"),
            positive_labels=fields.texts("positive_labels"),
            patch=_patch_from(fields.child("patch")),
            quantisation=_quantisation_from(fields.child_or_none("quantisation")),
            temperature=fields.number("temperature"),
            threshold=fields.number_or_none("threshold"),
            review_band=None if band is None else (band[0], band[1]),
            familiarity=_familiarity_from(fields.child_or_none("familiarity")),
            metrics=fields.mapping("metrics"),
            data_fingerprint=fields.text("data_fingerprint"),
            layout=fields.text("layout"),
            grouped=fields.flag("grouped"),
            phantom=fields.flag("phantom"),
            notes=fields.texts("notes"),
            versions=_versions_from(fields),
            intended_use=fields.text("intended_use"),
            research_use_only=fields.flag("research_use_only"),
            format_version=version,
        )
        fields.finish()
        return card


def _patch_from(fields: JsonObject) -> PatchContract:
    patch = PatchContract(
        um=fields.number("um"),
        px=fields.integer("px"),
        colour_order=fields.text("colour_order"),
        illumination_version=fields.text("illumination_version"),
    )
    fields.finish()
    return patch


def _quantisation_from(fields: JsonObject | None) -> Quantisation | None:
    if fields is None:
        return None
    quantisation = Quantisation(
        method=fields.text("method"),
        input_scale=fields.number("input_scale"),
        input_zero_point=fields.integer("input_zero_point"),
        output_scale=fields.number("output_scale"),
        output_zero_point=fields.integer("output_zero_point"),
        n_representative=fields.integer("n_representative"),
        representative_sha256=fields.text("representative_sha256"),
        exceptions=tuple(_exception_from(child) for child in fields.children_if_any("exceptions")),
    )
    fields.finish()
    return quantisation


def _exception_from(fields: JsonObject) -> NamedException:
    exception = NamedException(
        layer=fields.text("layer"),
        precision=fields.text("precision"),
        tensors=fields.texts("tensors"),
    )
    fields.finish()
    return exception


def _familiarity_from(fields: JsonObject | None) -> Familiarity | None:
    if fields is None:
        return None
    familiarity = Familiarity(
        names=fields.texts("names"),
        mean=fields.numbers("mean"),
        spread=fields.numbers("spread"),
        precision=fields.matrix("precision"),
        limit=fields.number("limit"),
    )
    fields.finish()
    return familiarity


def _versions_from(fields: JsonObject) -> dict[str, str]:
    versions: dict[str, str] = {}
    for name, value in fields.mapping("versions").items():
        if not isinstance(value, str):
            raise field_wrong(f"versions.{name}", "a text", value)
        versions[name] = value
    return versions


def _check_identity(card: Card) -> None:
    if not card.name or card.name != card.name.strip() or not card.name.isprintable():
        raise field_wrong("name", "a printable name without spaces around it", card.name)
    if not card.research_use_only:
        raise field_wrong("research_use_only", "true", card.research_use_only)
    if not card.intended_use:
        raise field_wrong("intended_use", "a sentence", card.intended_use)


def _check_labels(card: Card) -> None:
    if len(card.labels) < 2 or len(set(card.labels)) != len(card.labels):
        raise field_wrong("labels", "two or more different names", card.labels)
    if not all(label and label == label.strip() and label.isprintable() for label in card.labels):
        raise field_wrong("labels", "printable names without spaces around them", card.labels)
    unknown = [label for label in card.positive_labels if label not in card.labels]
    if unknown or len(set(card.positive_labels)) != len(card.positive_labels):
        raise field_wrong("positive_labels", "some of the labels, each once", card.positive_labels)
    if len(card.positive_labels) == len(card.labels):
        raise field_wrong("positive_labels", "fewer than all labels", card.positive_labels)


def _check_decision(card: Card) -> None:
    if not card.temperature > 0:
        raise field_wrong("temperature", "above 0", card.temperature)
    threshold, band = card.threshold, card.review_band
    if not card.positive_labels:
        if threshold is not None or band is not None:
            raise field_wrong("threshold", "null, as the review band, when no label is positive", threshold)
        return
    if threshold is None or not 0 < threshold < 1:
        raise field_wrong("threshold", "above 0 and below 1", threshold)
    if band is None or not 0 <= band[0] <= threshold <= band[1] <= 1:
        raise field_wrong("review_band", "[low, high] with 0 <= low <= threshold <= high <= 1", band)


def _check_patch(patch: PatchContract) -> None:
    if patch.px != PATCH_PX:
        raise field_wrong("patch.px", f"{PATCH_PX}", patch.px)
    if patch.um != PATCH_UM:
        raise field_wrong("patch.um", f"{PATCH_UM:g}", patch.um)
    if patch.colour_order != "RGB":
        raise field_wrong("patch.colour_order", "RGB", patch.colour_order)
    if patch.illumination_version != ILLUMINATION_VERSION:
        expected = f"{ILLUMINATION_VERSION}, as on this device"
        raise field_wrong("patch.illumination_version", expected, patch.illumination_version)


def _check_quantisation(quantisation: Quantisation) -> None:
    if quantisation.input_scale != 1.0:
        expected = "1, so that the bytes of a patch go in as they are"
        raise field_wrong("quantisation.input_scale", expected, quantisation.input_scale)
    if not quantisation.output_scale > 0:
        raise field_wrong("quantisation.output_scale", "above 0", quantisation.output_scale)
    if not 0 <= quantisation.input_zero_point <= 255:
        raise field_wrong("quantisation.input_zero_point", "0 to 255", quantisation.input_zero_point)
    if not -128 <= quantisation.output_zero_point <= 127:
        raise field_wrong("quantisation.output_zero_point", "-128 to 127", quantisation.output_zero_point)
    if quantisation.n_representative < 1:
        raise field_wrong("quantisation.n_representative", "1 or more", quantisation.n_representative)
    for exception in quantisation.exceptions:
        if exception.precision not in PRECISIONS:
            expected = " or ".join(PRECISIONS)
            raise field_wrong("quantisation.exceptions.precision", expected, exception.precision)
        if not exception.layer or not exception.tensors:
            raise field_wrong("quantisation.exceptions", "a layer and its tensors", exception.layer)


def _check_familiarity(familiarity: Familiarity) -> None:
    n_features = len(FEATURE_NAMES)
    if familiarity.names != FEATURE_NAMES:
        raise field_wrong("familiarity.names", "the features this version computes", familiarity.names)
    if len(familiarity.mean) != n_features:
        raise field_wrong("familiarity.mean", f"{n_features} numbers", familiarity.mean)
    if len(familiarity.spread) != n_features or min(familiarity.spread) <= 0:
        raise field_wrong("familiarity.spread", f"{n_features} numbers above 0", familiarity.spread)
    if len(familiarity.precision) != n_features or {len(row) for row in familiarity.precision} != {
        n_features
    }:
        raise field_wrong("familiarity.precision", f"{n_features} x {n_features} numbers", "another shape")
    if not familiarity.limit > 0:
        raise field_wrong("familiarity.limit", "above 0", familiarity.limit)
