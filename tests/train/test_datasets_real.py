"""A few real images of every set: recognised, cut, and white cells among what is cut.

Sources and citations: docs/data.md.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from alltrain.datasets import PatchSet, load_patches


def subset(source: Path, target: Path, files: Iterable[str]) -> Path:
    """Links to some files of a dataset, in the same places."""
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).symlink_to(source / name)
    return target


def some(source: Path, pattern: str, n: int) -> list[str]:
    found = sorted(path.relative_to(source).as_posix() for path in source.glob(pattern))
    return found[:: max(1, len(found) // n)][:n]


def shows_nuclei(patch_set: PatchSet) -> float:
    """Part of the patches whose middle is stained like a nucleus: dark in green."""
    middles = patch_set.patches[:, 15:35, 15:35, 1].reshape(len(patch_set), -1)
    return float(np.mean(np.percentile(middles, 20, axis=1) < 150))


def test_all_idb1(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "all-idb1"
    images = [*some(source, "im/*_1.jpg", 4), *some(source, "im/*_0.jpg", 2)]
    centres = [name.replace("im/", "xyc/").replace(".jpg", ".xyc") for name in images]
    patch_set = load_patches(
        subset(source, tmp_path, [*images, *centres, "groups.csv"]), allow_no_groups=False
    )
    assert patch_set.layout == "ALL-IDB1"
    assert patch_set.label_names == ("normal", "blast")
    assert set(patch_set.groups) <= {"P1", "P2", "P3", "N1", "N2", "N3"}
    assert patch_set.label_counts["blast"] >= 5


def test_all_idb2(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "all-idb2"
    images = [*some(source, "img/*_1.tif", 5), *some(source, "img/*_0.tif", 5)]
    patch_set = load_patches(subset(source, tmp_path, [*images, "groups.csv"]), allow_no_groups=False)
    assert patch_set.layout == "ALL-IDB2"
    assert patch_set.label_counts == {"normal": 5, "blast": 5}
    assert shows_nuclei(patch_set) >= 0.8


def test_bccd(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "bccd"
    images = some(source, "JPEGImages/*.jpg", 6)
    boxes = [name.replace("JPEGImages", "Annotations").replace(".jpg", ".xml") for name in images]
    patch_set = load_patches(subset(source, tmp_path, [*images, *boxes]), allow_no_groups=True)
    assert (patch_set.layout, patch_set.label_names) == ("boxes (Pascal VOC)", ("wbc",))
    assert shows_nuclei(patch_set) >= 0.8


def test_draaslan(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "draaslan-bcd"
    names = [*some(source, "images/*.png", 6), "annotations.csv"]
    patch_set = load_patches(subset(source, tmp_path, names), allow_no_groups=True)
    assert (patch_set.layout, patch_set.label_names) == ("boxes (CSV)", ("wbc",))
    assert len(patch_set) >= 4


def test_txl_raabin(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "txl-raabin"
    images = some(source, "images/*.jpg", 8)
    labels = [name.replace("images/", "labels/").replace(".jpg", ".txt") for name in images]
    names = [*images, *labels, "labels/classes.txt"]
    patch_set = load_patches(subset(source, tmp_path, names), allow_no_groups=True)
    assert (patch_set.layout, patch_set.label_names) == ("boxes (YOLO)", ("wbc",))


def test_pbc(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "pbc"
    names = [name for folder in sorted(source.iterdir()) for name in some(source, f"{folder.name}/*.jpg", 2)]
    patch_set = load_patches(subset(source, tmp_path, names), allow_no_groups=True)
    assert patch_set.layout == "class folders"
    assert len(patch_set) == len(names) == 16
    assert patch_set.positive_labels == ()


def test_taleqani(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "taleqani"
    names = [name for folder in sorted(source.iterdir()) for name in some(source, f"{folder.name}/*.jpg", 4)]
    patch_set = load_patches(subset(source, tmp_path, names), allow_no_groups=True)
    assert patch_set.layout == "Taleqani"
    assert patch_set.label_names == ("benign", "early", "pre", "pro")
    assert patch_set.positive_labels == ("early", "pre", "pro")
