"""A small model that answers its own golden vectors, for whatever runs the self-test of the service."""

from functools import cache

from alledge.classifier import Int8Network, open_classifier
from alledge.faults.world import Scenery, make_scenery
from alledge.model_file import Golden, pack_model, parse_model
from tests.edge.tiny_model import TinyNetwork, tiny_card, tiny_patches


@cache
def true_model_bytes() -> bytes:
    flatbuffer, patches = TinyNetwork().build(), tiny_patches(256)
    outputs = Int8Network(flatbuffer, kernels="reference").int8_logits(patches)
    return pack_model(flatbuffer, tiny_card(), Golden(patches, outputs))


@cache
def scenery() -> Scenery:
    model = parse_model(true_model_bytes(), "tiny")
    return make_scenery(model, open_classifier(model))
