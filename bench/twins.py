"""Which changed copies the audit still knows as copies: `python bench/twins.py FOLDER [--n 25]`.

Takes `n` images of a folder, evenly, changes each in every way below, and counts the copies that the
twin search of `alltrain audit` pairs with their original; and the pairs that it makes of different images,
which are twins in the folder itself, or mistakes. Whole images only: the audit looks for the cells of a
copy as well.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from alledge.images import IMAGE_SUFFIXES, read_image
from alledge.types import U8
from alltrain.audit.fingerprints import to_square
from alltrain.audit.image_records import SQUARE_PX
from alltrain.audit.twins import IMAGES, find_twins


def moved(image: U8, matrix: np.typing.NDArray[np.float64]) -> U8:
    """Placed anew; what comes into view is mirrored."""
    height, width = image.shape[:2]
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def shifted(share: float) -> Callable[[U8], U8]:
    """Along both axes, by a share of the side."""
    return lambda image: moved(
        image, np.array([[1, 0, share * image.shape[1]], [0, 1, -share * image.shape[0]]])
    )


def turned(degrees: float) -> Callable[[U8], U8]:
    """About the centre."""
    return lambda image: moved(
        image, cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), degrees, 1.0)
    )


def cropped(kept: float, from_corner: bool = False) -> Callable[[U8], U8]:
    """To a share of the side, about the centre or from the upper left corner."""

    def crop(image: U8) -> U8:
        rows, columns = (round(kept * side) for side in image.shape[:2])
        y, x = (0, 0) if from_corner else ((image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2)
        return np.ascontiguousarray(image[y : y + rows, x : x + columns])

    return crop


def in_range(values: np.typing.NDArray[np.floating]) -> U8:
    """Rounded to what a picture can hold."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def compressed(image: U8) -> U8:
    """JPEG of quality 30."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


CHANGES: dict[str, Callable[[U8], U8]] = {
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "turned by 90 degrees": lambda image: np.ascontiguousarray(np.rot90(image)),
    "turned by 5 degrees": turned(5),
    "shifted by 3 %": shifted(0.03),
    "shifted by 10 %": shifted(0.10),
    "cropped to 95 %": cropped(0.95),
    "cropped to 90 %": cropped(0.90),
    "cropped to 90 %, from a corner": cropped(0.90, from_corner=True),
    "cropped to 80 %": cropped(0.80),
    "darker by 30 %": lambda image: in_range(image * 0.7),
    "brighter by 10 %, clipped": lambda image: in_range(image * 1.10),
    "brighter by 15 %, clipped": lambda image: in_range(image * 1.15),
    "another lamp": lambda image: in_range(image * np.array([0.75, 1.0, 0.95])),
    "JPEG of quality 30": compressed,
    "blurred": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), dtype=np.uint8),
    "noisy": lambda image: in_range(image + np.random.default_rng(0).normal(0, 6, image.shape)),
    "half the size": lambda image: np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5), dtype=np.uint8),
}


def pairs_among(images: list[U8]) -> set[tuple[int, int]]:
    """Indices of the pairs that the audit would name."""
    grey = [np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8) for image in images]
    squares = np.stack([to_square(picture, SQUARE_PX) for picture in grey])
    found = find_twins([image.tobytes() for image in images], squares, IMAGES)
    return {(pair.first, pair.second) for pair in found}


def main() -> None:
    """Prints a row a change."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=25)
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    chosen = np.unique(np.linspace(0, len(files) - 1, arguments.n).astype(int))
    originals = [read_image(files[index]) for index in chosen]
    n = len(originals)
    print("| change | copies found | of | other pairs |\n|---|---|---|---|")
    for name, change in CHANGES.items():
        found = pairs_among([*originals, *(change(image) for image in originals)])
        own = {(index, index + n) for index in range(n)}
        others = {(a % n, b % n) for a, b in found - own}
        print(f"| {name} | {len(found & own)} | {n} | {len(others - {(k, k) for k in range(n)})} |")


if __name__ == "__main__":
    main()
