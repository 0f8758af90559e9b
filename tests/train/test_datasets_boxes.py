"""Fields with boxes, in four notations: the same truth gives the same patches."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alledge.errors import DatasetUnrecognised
from alltrain.datasets import PatchSet, fingerprint, load_patches
from tests.train.smears import draw_field, save, write

WIDTH, HEIGHT = 480, 360
TRUTH = {
    "a.png": [
        ("blast", 70, 70, 130, 130),
        ("Normal", 310, 220, 370, 280),
        ("RBC", 9, 9, 45, 45),
        ("platelet", 200, 200, 210, 210),
    ],
    "b.png": [("Normal", 200, 100, 260, 160), ("smudge", 20, 20, 60, 60)],
}
CELLS = {"a.png": [(100, 100), (340, 250)], "b.png": [(230, 130), (380, 300)]}
CLASSES = ["blast", "Normal", "RBC", "platelet", "smudge"]


def as_csv(data: Path, factor_x: float = 1, factor_y: float = 1) -> None:
    lines = [
        f"{name},{x0 / factor_x},{y0 / factor_y},{x1 / factor_x},{y1 / factor_y},{label}"
        for name, boxes in TRUTH.items()
        for label, x0, y0, x1, y1 in boxes
    ]
    write(data / "annotations.csv", "image,xmin,ymin,xmax,ymax,label", *lines)


def as_csv_of_fractions(data: Path) -> None:
    as_csv(data, WIDTH, HEIGHT)


def as_spreadsheet_of_another_country(data: Path) -> None:
    lines = [
        f"{label};{name.removesuffix('.png')};{x0};{y0};{x1};{y1};"
        for name, boxes in TRUTH.items()
        for label, x0, y0, x1, y1 in boxes
    ]
    write(data / "my boxes.csv", "\ufeffClass;Filename;XMIN;YMIN;XMAX;YMAX;remark", *lines, ";;;;;;")


def as_voc(data: Path) -> None:
    for name, boxes in TRUTH.items():
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for label, x0, y0, x1, y1 in boxes
        )
        text = f"<annotation><filename>renamed_since.jpg</filename>{objects}</annotation>"
        write(data / "Annotations" / name.replace(".png", ".xml"), text)


def yolo_lines(boxes: list[tuple[str, int, int, int, int]]) -> list[str]:
    return [
        f"{CLASSES.index(label)} {(x0 + x1) / 2 / WIDTH} {(y0 + y1) / 2 / HEIGHT} "
        f"{(x1 - x0) / WIDTH} {(y1 - y0) / HEIGHT}"
        for label, x0, y0, x1, y1 in boxes
    ]


def as_yolo(data: Path, names_file: str = "classes.txt", names: str = "\n".join(CLASSES)) -> None:
    for name, boxes in TRUTH.items():
        write(data / "labels" / name.replace(".png", ".txt"), *yolo_lines(boxes))
    write(data / names_file, names)


def as_yolo_yaml(data: Path) -> None:
    as_yolo(data, "data.yaml", f"nc: 5\nnames: {CLASSES}\ntrain: images")


def as_yolo_yaml_block(data: Path) -> None:
    numbered = "\n".join(f"  {k}: {name}" for k, name in enumerate(CLASSES))
    as_yolo(data, "data.yaml", f"path: .\nnames:\n{numbered}\nnc: 5")


def as_coco(data: Path) -> None:
    content: dict[str, list[dict[str, object]]] = {"images": [], "annotations": [], "categories": []}
    content["categories"] = [{"id": 10 + k, "name": name} for k, name in enumerate(CLASSES)]
    for k, (name, boxes) in enumerate(TRUTH.items()):
        content["images"].append({"id": k, "file_name": f"images/{name}"})
        for label, x0, y0, x1, y1 in boxes:
            box = [x0, y0, x1 - x0, y1 - y0]
            content["annotations"].append(
                {"image_id": k, "category_id": 10 + CLASSES.index(label), "bbox": box}
            )
    write(data / "instances.json", json.dumps(content))


def make(data: Path, annotate: Callable[[Path], None]) -> Path:
    for name, cells in CELLS.items():
        save(data / "images" / name, draw_field(cells, WIDTH, HEIGHT))
    annotate(data)
    return data


def load(data: Path) -> PatchSet:
    return load_patches(data, allow_no_groups=True)


NOTATIONS = [
    as_csv,
    as_csv_of_fractions,
    as_spreadsheet_of_another_country,
    as_voc,
    as_yolo,
    as_yolo_yaml,
    as_yolo_yaml_block,
    as_coco,
]


@pytest.mark.parametrize("annotate", NOTATIONS)
def test_found_cells_take_the_label_of_their_box(annotate: Callable[[Path], None], tmp_path: Path) -> None:
    patch_set = load(make(tmp_path, annotate))
    assert patch_set.layout.startswith("boxes")
    assert patch_set.label_names == ("normal", "blast")
    assert patch_set.positive_labels == ("blast",)
    assert patch_set.patch_ids == ("images/a.png#0", "images/a.png#1", "images/b.png#0")
    assert [patch_set.label_names[k] for k in patch_set.labels] == ["blast", "normal", "normal"]
    assert "Cells left out for want of an annotation: 1." in patch_set.notes


def test_the_notation_does_not_change_the_data(tmp_path: Path) -> None:
    prints = {fingerprint(load(make(tmp_path / how.__name__, how))) for how in NOTATIONS}
    assert len(prints) == 1


def test_yolo_without_names_says_so(tmp_path: Path) -> None:
    data = make(tmp_path, as_yolo)
    (data / "classes.txt").unlink()
    patch_set = load(data)
    assert patch_set.label_names == ("class 0", "class 1")
    assert patch_set.positive_labels == ()
    assert any("without class names" in note for note in patch_set.notes)


def test_yolo_polygons_become_boxes(tmp_path: Path) -> None:
    data = make(tmp_path, as_yolo)
    corners = [70 / WIDTH, 70 / HEIGHT, 130 / WIDTH, 75 / HEIGHT, 100 / WIDTH, 130 / HEIGHT]
    write(data / "labels" / "a.txt", "0 " + " ".join(map(str, corners)))
    assert load(data).label_counts == {"normal": 1, "blast": 1}


def test_a_phantom_study_says_that_it_is_one(tmp_path: Path) -> None:
    data = make(tmp_path, as_csv)
    write(data / "PHANTOM.txt", "rendered")
    patch_set = load(data)
    assert patch_set.is_phantom
    assert any("nothing about clinical performance" in note for note in patch_set.notes)


def test_images_without_annotation_are_left_out_and_counted(tmp_path: Path) -> None:
    data = make(tmp_path, as_csv)
    save(data / "images" / "c.png", draw_field([(100, 100)], WIDTH, HEIGHT))
    patch_set = load(data)
    assert "Images without annotation, left out: 1." in patch_set.notes


def test_annotations_of_other_images_are_refused(tmp_path: Path) -> None:
    data = make(tmp_path, as_csv)
    for path in list((data / "images").iterdir()):
        path.rename(path.with_name(f"renamed-{path.name}"))
    with pytest.raises(DatasetUnrecognised, match="name none of the 2 images"):
        load(data)


def test_annotations_never_reach_out_of_the_dataset(tmp_path: Path) -> None:
    outside = save(tmp_path / "secret.png", draw_field([(100, 100)], WIDTH, HEIGHT))
    data = make(tmp_path / "data", as_csv)
    table = (data / "annotations.csv").read_text()
    write(
        data / "annotations.csv", table + f"../secret.png,70,70,130,130,blast\n{outside},70,70,130,130,blast"
    )
    patch_set = load(data)
    assert set(patch_set.sources) == {"images/a.png", "images/b.png"}
    assert "Annotated objects in images that are not here: 2." in patch_set.notes


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("annotations.csv", "a.png,1,2,three,4,blast", "line 8: the coordinates are no numbers"),
        ("annotations.csv", "a.png,9,9,1,1,blast", "is no box"),
        ("annotations.csv", "a.png,nan,9,10,10,blast", "is no box"),
        ("annotations.csv", "a.png,9,9,10,10,", "is no box"),
    ],
)
def test_a_line_that_is_no_box_is_named(file: str, line: str, complaint: str, tmp_path: Path) -> None:
    data = make(tmp_path, as_csv)
    write(data / file, (data / file).read_text() + line)
    with pytest.raises(DatasetUnrecognised, match=complaint):
        load(data)


@pytest.mark.parametrize(
    ("annotate", "file", "content", "complaint"),
    [
        (as_voc, "Annotations/a.xml", "<annotation><object>", "is no XML"),
        (as_voc, "Annotations/a.xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><annotation/>", "declares XML entities"),
        (as_voc, "Annotations/a.xml", "<annotation><object><name>x</name></object></annotation>", "no box"),
        (as_yolo, "labels/b.txt", "0 0.5 0.5 0.1", "is no YOLO line"),
        (as_yolo, "labels/b.txt", "0 0.5 0.5 0.1 0.1.1", "holds no numbers"),
        (as_coco, "instances.json", '{"images": [], "annotations": [{}], "categories": []}', "no COCO file"),
        (as_coco, "instances.json", '"images" "annotations" "categories"', "no COCO file"),
    ],
)
def test_damaged_annotations_are_named(
    annotate: Callable[[Path], None], file: str, content: str, complaint: str, tmp_path: Path
) -> None:
    data = make(tmp_path, annotate)
    write(data / file, content)
    with pytest.raises(DatasetUnrecognised, match=complaint) as refusal:
        load(data)
    assert Path(file).name in str(refusal.value)


def test_a_name_that_two_folders_hold_must_be_written_with_its_folder(tmp_path: Path) -> None:
    data = make(tmp_path, as_csv)
    for folder in ("day 1", "day 2"):
        save(data / folder / "a.png", draw_field(CELLS["a.png"], WIDTH, HEIGHT))
    with pytest.raises(
        DatasetUnrecognised, match=r"'a\.png' can mean .*a\.png or .*a\.png.*Write the folder"
    ):
        load(data)


def test_the_image_nearest_to_its_annotation_is_meant(tmp_path: Path) -> None:
    for split in ("train", "test"):
        make(tmp_path / split, as_voc)
    patch_set = load(tmp_path)
    assert patch_set.label_counts == {"normal": 4, "blast": 2}
