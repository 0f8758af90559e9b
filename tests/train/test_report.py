"""The report needs nothing from elsewhere, says what it is for, and shows where the model fails."""

import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from alltrain.fit import fit
from alltrain.pictures import data_uri
from alltrain.plan import Settings
from alltrain.plots import roc_points
from tests.train.conftest import BRIEF_RECIPE
from tests.train.patch_sets import make_patch_set

VOID = {"meta", "img", "br", "link", "input", "hr", "circle", "line"}


@pytest.fixture(scope="module")
def page(run_path: Path) -> str:
    return (run_path / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page_of_an_ungrouped_phantom(tmp_path_factory: pytest.TempPathFactory) -> str:
    study = make_patch_set(3, grouped=False, is_phantom=True)
    out = tmp_path_factory.mktemp("phantom") / "run"
    return (fit(study, out, Settings(BRIEF_RECIPE, 2)).out / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Start tags with their attributes, and whether every element was closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def elements(page: str) -> Elements:
    parser = Elements()
    parser.feed(page)
    return parser


def test_the_page_is_well_formed(page: str) -> None:
    parsed = elements(page)
    assert not parsed.open
    assert {"html", "main", "svg", "img", "table"} <= {tag for tag, _ in parsed.found}


def test_the_page_loads_nothing(page: str) -> None:
    for tag, attributes in elements(page).found:
        assert tag not in {"script", "link", "iframe", "object", "embed"}
        for name in ("src", "href", "xlink:href", "data"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:image/", "#")), (tag, target)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_the_page_opens_with_what_it_is_for(page: str) -> None:
    body = page[page.index("<body>") :]
    assert body.index("Research use only") < body.index("<h1>")


def test_every_figure_stands_with_its_interval(page: str) -> None:
    for words in (
        "Accuracy",
        "Sensitivity",
        "Specificity",
        "AUROC",
        "MCC",
        "ECE",
        "Brier",
        "Baseline accuracy",
    ):
        assert words in page
    assert len(re.findall(r"\d\.\d{3} to \d\.\d{3}", page)) > 15


def test_curves_pictures_groups_and_fingerprint_are_there(page: str) -> None:
    for words in (
        "ROC",
        "Reliability",
        "Confusion matrix",
        "Training",
        "Groups",
        "data fingerprint",
        "versions",
    ):
        assert words in page
    assert "slide03" in page
    assert page.count("data:image/jpeg;base64,") >= 18


def test_a_real_grouped_study_carries_no_banner(page: str) -> None:
    assert 'class="banner"' not in page


def test_a_phantom_without_groups_says_both_on_top(page_of_an_ungrouped_phantom: str) -> None:
    page = page_of_an_ungrouped_phantom
    before_the_title = page[page.index("<body>") : page.index("<h1>")]
    assert "says nothing about clinical performance" in before_the_title
    assert "--no-groups" in before_the_title
    assert "optimistic" in before_the_title


def test_names_from_a_dataset_cannot_become_markup(tmp_path: Path) -> None:
    study = make_patch_set(2, label_names=("<script>alert(1)</script>", "b&b"), positive_labels=("b&b",))
    page = (fit(study, tmp_path / "run", Settings(BRIEF_RECIPE, 2)).out / "report.html").read_text()
    assert "<script>" not in page
    assert "b&amp;b" in page


def test_pictures_keep_their_colours() -> None:
    """A patch is RGB and OpenCV writes BGR: red must stay red."""
    import base64

    red = np.zeros((50, 50, 3), dtype=np.uint8)
    red[..., 0] = 200
    encoded = base64.b64decode(data_uri(red).split(",")[1])
    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert decoded[20, 20, 2] > 190
    assert decoded[20, 20, 0] < 10


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=30).filter(
        lambda rows: len({truth for truth, _ in rows}) == 2
    )
)
def test_the_curve_is_the_one_that_scikit_learn_draws(rows: list[tuple[bool, int]]) -> None:
    truth = np.array([positive for positive, _ in rows])
    score = np.array([value / 8 for _, value in rows])
    expected_x, expected_y, _ = roc_curve(truth, score, drop_intermediate=False)
    found_x, found_y = roc_points(truth, score)
    np.testing.assert_allclose(found_x, expected_x, atol=1e-12)
    np.testing.assert_allclose(found_y, expected_y, atol=1e-12)
