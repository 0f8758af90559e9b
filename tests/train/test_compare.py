"""The comparison: the same folds for every system, parts that are kept, and rows that can be argued with."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from alledge.errors import PathUnusable, RunUnusable
from alledge.types import F64, U8
from alltrain.literature.comparison import Comparison
from alltrain.literature.harness import compare
from alltrain.literature.parts import part_path
from alltrain.literature.system import Claim, FittedSystem, System, TrainingSide
from tests.train.patch_sets import make_patch_set

CLAIM = Claim("A. Author", 2020, "A title", "some images", "99 % accuracy", "not told", "10.1/x", 0.99)
N_FOLDS = 3


@dataclass(frozen=True)
class Darkness:
    """Calls a patch by how dark its middle is: blasts of the made studies are large and dark."""

    n_labels: int
    n_parameters: int | None = 1
    macs: int | None = None

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        dark = (patches[:, 10:40, 10:40].mean(axis=(1, 2, 3)) < 170).astype(np.float64)
        p_last = 0.1 + 0.8 * dark
        others = np.repeat(((1 - p_last) / (self.n_labels - 1))[:, None], self.n_labels - 1, axis=1)
        return np.concatenate([others, p_last[:, None]], axis=1)

    def explain(self, patches: U8, morphology: F64) -> tuple[str, ...]:
        return tuple(f"brightness {patch.mean():.0f}" for patch in patches)


@dataclass(frozen=True)
class Indifference:
    """Says the same of every patch."""

    n_labels: int
    n_parameters: int | None = None
    macs: int | None = None

    def probabilities(self, patches: U8, morphology: F64) -> F64:
        return np.full((len(patches), self.n_labels), 1 / self.n_labels)


def system(key: str, fit: Callable[[TrainingSide], FittedSystem], claim: Claim | None = None) -> System:
    return System(key, f"{key} & co", "classical", claim, f"What {key} does.", (f"{key} chose this.",), fit)


def dark(side: TrainingSide) -> FittedSystem:
    return Darkness(side.n_labels)


def indifferent(side: TrainingSide) -> FittedSystem:
    return Indifference(side.n_labels)


# The reference goes by the name of our network.
SYSTEMS = (system("smearnet", dark), system("blind", indifferent, CLAIM))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    out = tmp_path_factory.mktemp("compare") / "table"
    return compare(make_patch_set(), SYSTEMS, N_FOLDS, 0, out), out


def sides_seen(tmp_path: Path) -> list[TrainingSide]:
    seen: list[TrainingSide] = []

    def remember(side: TrainingSide) -> FittedSystem:
        seen.append(side)
        return Indifference(side.n_labels)

    compare(
        make_patch_set(), (system("one", remember), system("two", remember)), N_FOLDS, 0, tmp_path / "seen"
    )
    return seen


def test_every_system_learns_from_the_same_cells(tmp_path: Path) -> None:
    seen = sides_seen(tmp_path)
    for one, two in zip(seen[:N_FOLDS], seen[N_FOLDS:], strict=True):
        assert np.array_equal(one.patches, two.patches)
        assert np.array_equal(one.is_validation, two.is_validation)
        assert (one.seed, one.fold) == (two.seed, two.fold)


def test_no_system_learns_from_a_group_that_it_is_judged_on(tmp_path: Path) -> None:
    patch_set = make_patch_set()
    groups = np.array(patch_set.groups)
    for side in sides_seen(tmp_path)[:N_FOLDS]:
        learnt = {patch.tobytes() for patch in side.patches}
        takes_part = np.array([patch.tobytes() in learnt for patch in patch_set.patches])
        assert set(groups[takes_part]).isdisjoint(groups[~takes_part])


def test_rows_are_ranked_by_the_headline(table: tuple[Comparison, Path]) -> None:
    comparison, _ = table
    assert [row.system.key for row in comparison.rows] == ["smearnet", "blind"]
    assert comparison.headline == "auroc"


def test_a_system_that_says_nothing_is_worse_than_one_that_sees(table: tuple[Comparison, Path]) -> None:
    comparison, _ = table
    blind = comparison.rows[1]
    assert blind.figures["auroc"].value == 0.5
    assert blind.differences["auroc"].value == pytest.approx(-0.5)
    assert blind.verdict("auroc") == "worse"
    assert comparison.beaten == (1, 0, 0)


def test_the_reference_is_not_compared_with_itself(table: tuple[Comparison, Path]) -> None:
    assert table[0].rows[0].differences == {}


def test_without_the_reference_nothing_is_compared(tmp_path: Path) -> None:
    comparison = compare(make_patch_set(), SYSTEMS[1:], N_FOLDS, 0, tmp_path / "table")
    assert comparison.reference is None
    assert comparison.rows[0].differences == {}


def test_the_json_holds_claim_choices_figures_and_cost_of_every_row(table: tuple[Comparison, Path]) -> None:
    written = json.loads((table[1] / "compare.json").read_text(encoding="utf-8"))
    row = written["rows"][1]
    assert row["claim"]["figure"] == "99 % accuracy"
    assert row["choices"] == ["blind chose this."]
    assert set(row["figures"]["auroc"]) >= {"value", "ci95", "n", "n_groups"}
    assert row["cost"]["n_parameters"] is None
    assert row["cost"]["train_s_a_fold"] >= 0
    assert written["research_use_only"] is True


def test_the_csv_has_one_row_a_system(table: tuple[Comparison, Path]) -> None:
    with (table[1] / "compare.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["system"] for row in rows] == ["smearnet", "blind"]
    assert rows[1]["claim"] == "99 % accuracy"
    assert float(rows[1]["auroc"]) == 0.5


def test_every_cell_is_called_once_by_every_system(table: tuple[Comparison, Path]) -> None:
    patch_set = make_patch_set()
    for key in ("smearnet", "blind"):
        with (table[1] / "predictions" / f"{key}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row["patch_id"] for row in rows] == list(patch_set.patch_ids)
        assert {row["call"] for row in rows} <= set(patch_set.label_names)


def test_a_system_that_explains_itself_has_its_reasons_beside_its_calls(
    table: tuple[Comparison, Path],
) -> None:
    with (table[1] / "predictions" / "smearnet.csv").open(encoding="utf-8", newline="") as stream:
        assert all(row["reason"].startswith("brightness") for row in csv.DictReader(stream))


def test_the_page_quotes_claims_and_says_what_was_chosen(table: tuple[Comparison, Path]) -> None:
    page = (table[1] / "compare.html").read_text(encoding="utf-8")
    assert "99 % accuracy" in page
    assert "blind chose this." in page
    assert "Claims are quoted and were not verified" in page
    assert "research" in page.lower()
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_what_a_system_writes_of_itself_is_escaped(table: tuple[Comparison, Path]) -> None:
    page = (table[1] / "compare.html").read_text(encoding="utf-8")
    assert "blind &amp; co" in page


class Interrupted:
    """Fits until told to stop, and counts."""

    def __init__(self, stop_after: int) -> None:
        self.stop_after, self.n_fitted = stop_after, 0

    def __call__(self, side: TrainingSide) -> FittedSystem:
        if self.n_fitted == self.stop_after:
            raise KeyboardInterrupt
        self.n_fitted += 1
        return Darkness(side.n_labels)


def test_an_interrupted_comparison_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out, patch_set = tmp_path / "table", make_patch_set()
    first, second = Interrupted(stop_after=2), Interrupted(stop_after=N_FOLDS)
    with pytest.raises(KeyboardInterrupt):
        compare(patch_set, (system("smearnet", first),), N_FOLDS, 0, out)
    assert not (out / "compare.json").exists()
    compare(patch_set, (system("smearnet", second),), N_FOLDS, 0, out, resume=True)
    assert (first.n_fitted, second.n_fitted) == (2, N_FOLDS - 2)
    assert (out / "compare.json").is_file()


def test_further_systems_join_a_finished_comparison_without_fitting_the_others_again(tmp_path: Path) -> None:
    out, patch_set = tmp_path / "table", make_patch_set()
    compare(patch_set, SYSTEMS[:1], N_FOLDS, 0, out)
    never = system("smearnet", Interrupted(stop_after=0))
    comparison = compare(patch_set, (never, SYSTEMS[1]), N_FOLDS, 0, out, resume=True)
    assert len(comparison.rows) == 2


@pytest.mark.parametrize("change", [{"seed": 1}, {"epochs": 7}, {"n_folds": 2}])
def test_a_comparison_is_not_gone_on_with_under_other_settings(
    tmp_path: Path, change: dict[str, int]
) -> None:
    out, patch_set = tmp_path / "table", make_patch_set()
    settings: dict[str, int] = {"n_folds": N_FOLDS, "seed": 0}
    compare(patch_set, SYSTEMS[1:], **settings, out=out)  # type: ignore[arg-type]
    with pytest.raises(RunUnusable, match=next(iter(change)).split("_")[0]):
        compare(patch_set, SYSTEMS[1:], **(settings | change), out=out, resume=True)  # type: ignore[arg-type]


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(PathUnusable):
        compare(make_patch_set(), SYSTEMS[1:], N_FOLDS, 0, tmp_path)


def test_a_damaged_part_is_told_with_what_to_do(tmp_path: Path) -> None:
    out, patch_set = tmp_path / "table", make_patch_set()
    compare(patch_set, SYSTEMS[1:], N_FOLDS, 0, out)
    part_path(out, "blind", 1).write_bytes(b"nonsense")
    with pytest.raises(RunUnusable, match="--resume"):
        compare(patch_set, SYSTEMS[1:], N_FOLDS, 0, out, resume=True)


def test_several_classes_are_ranked_by_the_macro_auroc(tmp_path: Path) -> None:
    patch_set = make_patch_set(label_names=("benign", "early", "pro"), positive_labels=("early", "pro"))
    comparison = compare(patch_set, SYSTEMS, N_FOLDS, 0, tmp_path / "table")
    assert comparison.headline == "macro_auroc"
    assert comparison.rows[0].figures["recall_pro"].value is not None
    assert comparison.rows[0].figures["auroc"].value is not None  # of the finding, stages pooled


def test_classes_without_a_finding_are_compared_too(tmp_path: Path) -> None:
    patch_set = make_patch_set(label_names=("eosinophil", "monocyte"), positive_labels=())
    comparison = compare(patch_set, SYSTEMS, N_FOLDS, 0, tmp_path / "table")
    assert comparison.headline == "macro_auroc"
    assert "sensitivity" not in (tmp_path / "table" / "compare.html").read_text().lower()


def test_a_phantom_is_said_to_be_one(tmp_path: Path) -> None:
    patch_set = replace(make_patch_set(), is_phantom=True)
    compare(patch_set, SYSTEMS[1:], N_FOLDS, 0, tmp_path / "table")
    assert "nothing about clinical performance" in (tmp_path / "table" / "compare.html").read_text()


def test_progress_never_runs_backwards_and_ends_full(tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    def fit(side: TrainingSide) -> FittedSystem:
        side.tell(1, 2)
        side.tell(2, 2)
        return Indifference(side.n_labels)

    compare(
        make_patch_set(),
        (system("one", fit),),
        N_FOLDS,
        0,
        tmp_path / "table",
        lambda what, done, total: told.setdefault(what, []).append((done, total)),
    )
    for steps in told.values():
        done: npt.NDArray[np.int64] = np.array([step for step, _ in steps])
        assert (np.diff(done) >= 0).all()
        assert steps[-1][0] == steps[-1][1]
