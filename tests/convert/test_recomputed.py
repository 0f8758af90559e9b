"""Every claim of fidelity.json, computed once more by other code from the two models and the RUN folder.

A stranger's view: numpy, scipy, scikit-learn, Keras and LiteRT as they come. Of our own code only the
writers of the files that are on trial are called; docs/fidelity.md says how to do this by hand.
"""

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from scipy import stats
from sklearn.metrics import roc_auc_score

from allconvert.delivery import Destination, Reports, deliver
from allconvert.paired_table import paired_table
from allconvert.quantise import Proof
from allconvert.record import proof_as_json

Z = stats.norm.ppf(0.975)


@dataclass
class Files:
    """What lies on the disk after `allconvert quantize`, read anew."""

    run: Path
    model: bytes
    claims: dict[str, Any]
    table: list[dict[str, str]]
    splits: list[dict[str, str]]
    patches: Any
    card: dict[str, Any]
    float_card: dict[str, Any]


@pytest.fixture(scope="module")
def files(run_path: Path, converted: tuple[Proof, bytes], tmp_path_factory: pytest.TempPathFactory) -> Files:
    out = tmp_path_factory.mktemp("stranger") / "made.tflite"
    proof, data = converted
    record = proof_as_json(proof, hashlib.sha256(data).hexdigest())
    deliver(Destination(out), data, Reports("", record, paired_table(proof)))
    with zipfile.ZipFile(out) as archive:
        card = json.loads(archive.read("card.json"))
    return Files(
        run=run_path,
        model=out.read_bytes(),
        claims=json.loads(out.with_name("made.fidelity.json").read_text()),
        table=rows_in(out.with_name("made.fidelity.csv")),
        splits=rows_in(run_path / "splits.csv"),
        patches=np.load(run_path / "patches.npz")["patches"],
        card=card,
        float_card=json.loads((run_path / "card.json").read_text()),
    )


def rows_in(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


# --- the two networks ---


def float_logits(path: Path, patches: Any) -> Any:
    return np.asarray(
        keras.models.load_model(path, compile=False)(patches.astype(np.float32), training=False)
    )


def int8_logits(data: bytes, patches: Any) -> Any:
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = sink["quantization"]
    rows = []
    for patch in patches:
        interpreter.set_tensor(source["index"], patch[None])
        interpreter.invoke()
        rows.append(scale * (interpreter.get_tensor(sink["index"])[0].astype(np.float64) - zero))
    return np.array(rows)


def p_of(logits: Any, card: dict[str, Any]) -> Any:
    powers = np.exp((logits - logits.max(axis=1, keepdims=True)) / card["temperature"])
    return powers / powers.sum(axis=1, keepdims=True)


@dataclass
class Said:
    """Two networks' answers on the same patches, two labels of which the second is positive."""

    truth: Any
    groups: Any
    logits: tuple[Any, Any]
    p: tuple[Any, Any]
    called: tuple[Any, Any]
    review: tuple[Any, Any]


def rows_of(files: Files, which: str) -> list[dict[str, str]]:
    return [row for row in files.table if row["set"] == which]


def said_in_table(files: Files, which: str) -> Said:
    """Both networks' answers as fidelity.csv has them."""
    rows, labels = rows_of(files, which), files.claims["labels"]

    def numbers(name: str) -> Any:
        return np.array([[float(row[f"{name} {label}"]) for label in labels] for row in rows])

    def called(name: str) -> Any:
        return np.array([labels.index(row[f"{name}_call"]) for row in rows])

    return Said(
        truth=np.array([labels.index(row["label"]) for row in rows]),
        groups=np.array([row["group"] for row in rows]),
        logits=(numbers("float_logit"), numbers("int8_logit")),
        p=(numbers("float_p"), numbers("int8_p")),
        called=(called("float"), called("int8")),
        review=tuple(np.array([row[f"{name}_review"] == "1" for row in rows]) for name in ("float", "int8")),
    )


def said_by_models(files: Files) -> Said:
    """What the shipped float model and the model file answer on the validation patches, asked here."""
    assert files.claims["logit_shift"] == 0
    rows = [index for index, row in enumerate(files.splits) if row["shipped_role"] == "validation"]
    patches, labels = files.patches[rows], files.claims["labels"]
    logits = (float_logits(files.run / "model.keras", patches), int8_logits(files.model, patches))
    cards = files.float_card, files.card
    p = tuple(p_of(values, card) for values, card in zip(logits, cards, strict=True))
    bands = [card["review_band"] for card in cards]
    return Said(
        truth=np.array([labels.index(files.splits[row]["label"]) for row in rows]),
        groups=np.array([files.splits[row]["group"] for row in rows]),
        logits=logits,
        p=(p[0], p[1]),
        called=tuple(
            (values[:, 1] >= card["threshold"]).astype(int) for values, card in zip(p, cards, strict=True)
        ),
        review=tuple(
            (values[:, 1] >= low) & (values[:, 1] <= high)
            for values, (low, high) in zip(p, bands, strict=True)
        ),
    )


@pytest.fixture(scope="module", params=["validation", "test_folds"])
def case(request: pytest.FixtureRequest, files: Files) -> tuple[Said, dict[str, Any]]:
    """The validation set as the two models answer it, and the test folds as the table has them."""
    of_models = request.param == "validation"
    return said_by_models(files) if of_models else said_in_table(files, "test"), files.claims[request.param]


Case = tuple[Said, dict[str, Any]]


# --- statistics, written again ---


def wilson(k: float, n: int) -> tuple[float, float]:
    found = stats.binomtest(round(k), n).proportion_ci(method="wilson")
    return found.low, found.high


def newcombe(a: int, b: int, c: int, d: int) -> tuple[float, float]:
    """Method 10. a: right twice, b: right with float only, c: with int8 only, d: wrong twice."""
    n = a + b + c + d
    before, after = (a + b) / n, (a + c) / n
    (low1, high1), (low2, high2) = wilson(a + c, n), wilson(a + b, n)
    product = (a + b) * (c + d) * (a + c) * (b + d)
    numerator = a * d - b * c
    if numerator > 0:
        numerator = max(numerator - n / 2, 0)
    phi = numerator / np.sqrt(product) if product else 0.0
    one, two, three, four = after - low1, high2 - before, high1 - after, before - low2
    low = after - before - np.sqrt(one**2 - 2 * phi * one * two + two**2)
    high = after - before + np.sqrt(three**2 - 2 * phi * three * four + four**2)
    return low, high


def group_bootstrap(groups: Any, gain: Any) -> tuple[float, float]:
    """Percentiles of the mean gain over resampled groups, at Hesterberg's expanded tails."""
    names, unit = np.unique(groups, return_inverse=True)
    n_units = len(names)
    drawn = np.random.default_rng(0).multinomial(
        n_units, np.full(n_units, 1 / n_units), size=2000 if n_units < 50 else 1000
    )
    weights = drawn[:, unit].astype(float)
    tail = stats.norm.cdf(-stats.t.ppf(0.975, n_units - 1) * np.sqrt(n_units / (n_units - 1)))
    values = (weights @ gain)[weights.sum(axis=1) > 0] / weights.sum(axis=1)[weights.sum(axis=1) > 0]
    low, high = np.quantile(values, (tail, 1 - tail))
    return low, high


def ece(p: Any, truth: Any) -> float:
    bins = np.minimum((p * 10).astype(int), 9)
    parts = [abs(p[bins == at].sum() - truth[bins == at].sum()) for at in range(10)]
    return float(sum(parts) / len(p))


def masks(said: Said, name: str) -> tuple[Any, Any, Any]:
    among = said.truth == 1 if name == "sensitivity" else said.truth == 0
    right = 1 if name == "sensitivity" else 0
    return among, said.called[0][among] == right, said.called[1][among] == right


# --- claims ---


def test_the_table_says_what_the_two_models_say(files: Files) -> None:
    table, models = said_in_table(files, "validation"), said_by_models(files)
    assert np.allclose(table.logits[0], models.logits[0], atol=1e-4)
    assert np.allclose(table.logits[1], models.logits[1], atol=1e-5)
    for kind in (0, 1):
        assert np.allclose(table.p[kind], models.p[kind], atol=1e-4)
        assert np.array_equal(table.called[kind], models.called[kind])
        assert np.array_equal(table.review[kind], models.review[kind])


def test_float_answers_on_test_folds_are_those_of_the_folds_own_networks(files: Files) -> None:
    metrics = json.loads((files.run / "metrics.json").read_text())
    ids = {row["patch_id"]: index for index, row in enumerate(files.splits)}
    for fold, told in enumerate(metrics["folds"]):
        rows = [row for row in rows_of(files, "test") if row["fold"] == str(fold)]
        held_out = {row["patch_id"] for row in files.splits if row[f"fold_{fold}"] == "test"}
        assert {row["patch_id"] for row in rows} == held_out
        patches = files.patches[[ids[row["patch_id"]] for row in rows]]
        logits = float_logits(files.run / "folds" / f"fold_{fold}.keras", patches)
        p = p_of(logits, told["calibration"])[:, 1]
        assert np.allclose(p, [float(row["float_p blast"]) for row in rows], atol=1e-4)
        positive = p >= told["calibration"]["threshold"]
        assert [row["float_call"] == "blast" for row in rows] == positive.tolist()


def test_int8_scores_on_test_folds_follow_from_the_logits_and_each_folds_calibration(files: Files) -> None:
    networks = files.claims["test_folds"]["networks"]
    assert len(networks) == len({row["fold"] for row in files.splits})
    for network in networks:
        rows = [row for row in rows_of(files, "test") if row["fold"] == str(network["fold"])]
        decision = network["calibration"]["int8"]
        logits = np.array(
            [[float(row[f"int8_logit {label}"]) for label in ("normal", "blast")] for row in rows]
        )
        p = p_of(logits, decision)[:, 1]
        assert np.allclose(p, [float(row["int8_p blast"]) for row in rows], atol=1e-6)
        assert [row["int8_call"] == "blast" for row in rows] == (p >= decision["threshold"]).tolist()
        float_model = (files.run / network["float_model"]["file"]).read_bytes()
        assert network["float_model"]["sha256"] == hashlib.sha256(float_model).hexdigest()
        assert network["representative"]["n_found_among_test"] == 0
        assert network["representative"]["n_test_checked"] == len(rows)


def test_agreement(case: Case) -> None:
    said, claims = case
    n_agree, n = int((said.called[0] == said.called[1]).sum()), len(said.truth)
    assert claims["n"] == n
    assert claims["n_groups"] == len(set(said.groups))
    assert claims["agreement"]["value"] == pytest.approx(n_agree / n, abs=1e-6)
    assert claims["agreement"]["ci95"] == pytest.approx(wilson(n_agree, n), abs=1e-5)


@pytest.mark.parametrize("name", ["sensitivity", "specificity"])
def test_gated_changes_with_interval_and_mcnemar(case: Case, name: str) -> None:
    said, claims = case
    among, before, after = masks(said, name)
    told = claims["changes"][name]
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    assert told["float"] == pytest.approx(before.mean())
    assert told["int8"] == pytest.approx(after.mean())
    assert told["change"]["value"] == pytest.approx((gained - lost) / among.sum())
    assert told["change"]["n"] == among.sum()
    low, high = newcombe(int((before & after).sum()), lost, gained, int((~before & ~after).sum()))
    if len(set(said.groups[among])) >= 5:
        resampled = group_bootstrap(said.groups[among], after.astype(float) - before)
        low, high = min(low, resampled[0]), max(high, resampled[1])
    assert told["change"]["ci95"] == pytest.approx((low, high), abs=1e-9)
    exact = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert told["mcnemar"] == {"lost": lost, "gained": gained, "p": pytest.approx(exact)}
    gate = told["gate"]
    assert gate["passed"] == ((gained - lost) / among.sum() >= -max(gate["margin"], 1 / among.sum()) - 1e-9)
    assert gate["margin_supported"] == (low >= -gate["margin"] - 1e-9)


def test_lost_positives_and_their_bound(case: Case) -> None:
    said, claims = case
    told, before, after = claims["lost_positives"], said.called[0] == 1, said.called[1] == 1
    lost, n = int((before & ~after).sum()), int(before.sum())
    assert (told["n_lost"], told["n_float_positive"]) == (lost, n)
    bound = stats.beta.ppf(0.95, lost + 1, n - lost)
    assert told["upper95"] == pytest.approx(bound)
    assert told["margin_supported"] == (bound <= told["margin"])
    if told["n_needed"] is not None:
        enough = told["n_needed"]
        expected = np.ceil(lost / n * enough)
        assert stats.beta.ppf(0.95, expected + 1, enough - expected) <= told["margin"]


def test_scores(case: Case) -> None:
    said, claims = case
    for at, kind in enumerate(("float", "int8")):
        auroc = roc_auc_score(said.truth, said.p[at][:, 1])
        assert claims["changes"]["AUROC"][kind] == pytest.approx(auroc, abs=1e-4)
        error = ece(said.p[at][:, 1], said.truth)
        assert claims["changes"]["calibration error"][kind] == pytest.approx(error, abs=2e-3)
        assert claims["review_share"][kind] == pytest.approx(said.review[at].mean())


def test_logit_errors(case: Case) -> None:
    said, claims = case
    real, error = said.logits[0], said.logits[1] - said.logits[0]
    assert claims["largest_logit_error"] == pytest.approx(np.abs(error).max(), abs=1e-4)
    power = ((real - real.mean(axis=0)) ** 2).sum()
    assert claims["logit_sqnr_db"] == pytest.approx(10 * np.log10(power / (error**2).sum()), abs=0.01)


def test_flips_are_listed_each_and_counted_by_direction(case: Case, files: Files) -> None:
    said, claims = case
    labels = files.claims["labels"]
    found: dict[str, int] = {}
    for before, after in zip(*said.called, strict=True):
        if before != after:
            direction = f"{labels[before]} to {labels[after]}"
            found[direction] = found.get(direction, 0) + 1
    assert claims["flip_counts"] == found
    assert len(claims["flips"]) == sum(found.values())
    which = "test" if "all folds" in claims["what"] else "validation"
    changed = {row["patch_id"] for row in rows_of(files, which) if row["float_call"] != row["int8_call"]}
    assert {flip["patch_id"] for flip in claims["flips"]} == changed


@pytest.mark.parametrize(("which", "told"), [("test", "test_folds"), ("validation", "validation")])
def test_which_patches_judged(files: Files, which: str, told: str) -> None:
    of_fold = [f"fold_{fold}" for fold in range(len({row["fold"] for row in files.splits}))]
    rows = [
        index
        for index, row in enumerate(files.splits)
        if (any(row[fold] == "test" for fold in of_fold) if which == "test" else row["shipped_role"] == which)
    ]
    ids = "".join(f"{files.splits[row]['patch_id']}\n" for row in rows)
    claimed = files.claims[told]["patches"]
    assert claimed["n"] == len(rows)
    assert claimed["ids_sha256"] == hashlib.sha256(ids.encode()).hexdigest()
    assert claimed["pixels_sha256"] == hashlib.sha256(files.patches[rows].tobytes()).hexdigest()


def test_the_patches_that_set_the_ranges_judged_nothing(files: Files) -> None:
    told = files.claims["representative"]
    roles = {row["patch_id"]: row["shipped_role"] for row in files.splits}
    assert {roles[name] for name in told["patch_ids"]} == {"train"}
    assert told["n_found_among_held_out"] == 0
    assert told["n_held_out_checked"] == sum(role != "train" for role in roles.values())
    assert len(told["patch_ids"]) == told["n"]
    ids = {row["patch_id"]: index for index, row in enumerate(files.splits)}
    pixels = b"".join(files.patches[ids[name]].tobytes() for name in told["patch_ids"])
    assert told["sha256"] == hashlib.sha256(pixels).hexdigest()
    assert told["sha256"] == files.card["quantisation"]["representative_sha256"]


def test_layers_are_as_far_from_float_as_claimed(files: Files) -> None:
    ids = {row["patch_id"]: index for index, row in enumerate(files.splits)}
    patches = files.patches[[ids[name] for name in files.claims["representative"]["patch_ids"][:48]]]
    network = keras.models.load_model(files.run / "model.keras", compile=False)
    interpreter = Interpreter(
        model_content=files.model,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    index = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}
    rows = files.claims["layers"]["rows"]
    assert len(rows) >= 5
    for row in rows:
        layer = keras.Model(network.inputs[0], network.get_layer(row["layer"]).output)
        real = np.asarray(layer(patches.astype(np.float32), training=False)).astype(float)
        got = tensor_of(interpreter, index[row["tensor"]], patches).reshape(real.shape)
        axes = tuple(range(real.ndim - 1))
        power = ((real - real.mean(axis=axes)) ** 2).sum(axis=axes)
        noise = ((got - real) ** 2).sum(axis=axes)
        assert row["sqnr_db"] == pytest.approx(10 * np.log10(power.sum() / noise.sum()), abs=0.05)
        alive = power > 1e-9
        worst = (10 * np.log10(power[alive] / noise[alive])).min()
        assert row["worst_channel_db"] == pytest.approx(worst, abs=0.1)
        assert row["largest_error"] == pytest.approx(np.abs(got - real).max(), rel=1e-3)


def tensor_of(interpreter: Any, index: int, patches: Any) -> Any:
    """What a tensor between operations stands for, for each patch."""
    source = interpreter.get_input_details()[0]["index"]
    told = {detail["index"]: detail for detail in interpreter.get_tensor_details()}[index]
    scale, zero = told["quantization"]
    rows = []
    for patch in patches:
        interpreter.set_tensor(source, patch[None])
        interpreter.invoke()
        rows.append(scale * (interpreter.get_tensor(index).astype(float) - zero))
    return np.concatenate(rows)


def test_both_files_are_the_ones_that_are_named(files: Files) -> None:
    assert files.claims["model_sha256"] == hashlib.sha256(files.model).hexdigest()
    float_model = (files.run / files.claims["float_model"]["file"]).read_bytes()
    assert files.claims["float_model"]["sha256"] == hashlib.sha256(float_model).hexdigest()
    n_bytes = files.claims["network"]["n_bytes"]
    assert files.claims["flatbuffer_sha256"] == hashlib.sha256(files.model[:n_bytes]).hexdigest()


def test_the_card_decides_as_claimed(files: Files) -> None:
    for kind, card in (("float", files.float_card), ("int8", files.card)):
        for name in ("temperature", "threshold", "review_band"):
            assert files.claims["calibration"][kind][name] == card[name]


def test_scores_have_more_steps_than_an_int8_softmax_could_give(files: Files) -> None:
    assert not {"SOFTMAX", "LOGISTIC"} & set(files.claims["network"]["operators"])
    assert files.claims["network"]["operations"][-1]["outputs"][0].startswith("int8")
    scores = np.unique(said_by_models(files).p[1][:, 1])
    # 1/256 is the step of an int8 softmax; real scores lie closer together near the ends.
    assert np.diff(scores).min() < 1 / 256


def test_tensors_and_operations_are_those_that_the_runtime_sees(files: Files) -> None:
    interpreter = Interpreter(model_content=files.model)
    interpreter.allocate_tensors()
    told = files.claims["network"]["tensors"]
    seen = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    assert len(told) <= len(seen)
    for index, tensor in enumerate(told):
        assert tensor["type"] == np.dtype(seen[index]["dtype"]).name
        assert tensor["shape"] == seen[index]["shape"].tolist()
        size = int(np.prod(tensor["shape"])) * np.dtype(seen[index]["dtype"]).itemsize
        assert tensor["n_bytes"] == size
    weights = sum(tensor["n_bytes"] for tensor in told if tensor["stored"])
    assert files.claims["network"]["weight_bytes"] == weights
    operators = files.claims["network"]["operators"]
    assert sum(operators.values()) == len(files.claims["network"]["operations"])


def test_the_verdict_follows_from_the_gates(files: Files) -> None:
    parts = [files.claims[name] for name in ("test_folds", "validation")]
    gates = [change["gate"] for part in parts for change in part["changes"].values() if "gate" in change]
    lost = [part["lost_positives"] for part in parts]
    assert all(gate["passed"] for gate in (*gates, *lost)) == (files.claims["verdict"] == "accepted")
    shown = all(gate["margin_supported"] for gate in (*gates, *lost))
    assert files.claims["margins_supported"] == shown
    assert bool(files.claims["unsupported"]) != shown
