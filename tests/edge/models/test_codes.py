"""Every cause has one code; each is told in the documentation, and some test provokes it."""

import importlib.util
import re

import pytest

from alledge.commands.model import _require_fleet
from alledge.errors import AllscopeError
from alledge.models import refusals
from alledge.models import refusals as no
from tests.conftest import REPOSITORY

REFUSALS = {
    name: kind
    for name, kind in vars(refusals).items()
    if isinstance(kind, type) and issubclass(kind, AllscopeError) and kind.__module__ == refusals.__name__
}

FAMILIES = {"MetadataExpired"}
"""Never raised themselves."""


def test_no_two_causes_share_a_code() -> None:
    codes = [kind.code for kind in REFUSALS.values()]
    assert len(set(codes)) == len(codes)


def test_each_code_is_explained() -> None:
    text = (REPOSITORY / "docs" / "signed-models.md").read_text()
    assert [kind.code for kind in REFUSALS.values() if f"`{kind.code}`" not in text] == []


def test_each_code_is_in_the_tree_that_the_module_draws() -> None:
    assert [name for name in REFUSALS if name not in (refusals.__doc__ or "")] == []


def test_each_refusal_is_provoked_by_a_test() -> None:
    folders = (REPOSITORY / "tests" / "edge" / "models", REPOSITORY / "tests" / "convert")
    said = "".join(path.read_text() for folder in folders for path in folder.glob("test_*.py"))
    said = said.replace(
        'f"{role}-expired"', '"root-expired" "timestamp-expired" "snapshot-expired" "targets-expired"'
    )
    unproven = [
        name
        for name, kind in REFUSALS.items()
        if name not in FAMILIES and not re.search(rf'no\.{name}\b|"{kind.code}"', said)
    ]
    assert unproven == []


def test_a_device_without_the_packages_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(no.FleetExtraMissing, match=r"allscope\[fleet\]"):
        _require_fleet()
