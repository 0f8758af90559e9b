"""The networks of the table: what their authors say, what we could read of it, and what we chose.

Of most papers only the abstract, or an account by others, could be read here; layer tables were not among
that. Where a layer, an input size or an optimiser is our choice, the row says so, and its figure judges
the rebuilt network, not the authors' weights. Weights learnt on ImageNet are not used: they cannot be had
without a network at fitting time, nor passed on.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from alledge.illumination import PLASMA_LEVEL
from alledge.types import F32, U8
from alltrain.literature.network import NetworkRecipe, fitting
from alltrain.literature.system import Claim, System, TrainingSide

if TYPE_CHECKING:
    import keras

_NOT_IN_ABSTRACT: Final = "not in the abstract, which is all of the paper that we could read"
_BEST_EPOCH: Final = (
    "Labels weigh alike in the loss; stopping and the threshold rest on validation cells, as for every row."
)
_SCRATCH: Final = "Trained from scratch: ImageNet weights are neither fetched nor shipped."
_PATCHES: Final = "Judged on single cells (20 um patches), whatever the authors judged on."

THANH: Final = Claim(
    authors="T. T. P. Thanh, G. N. Pham, J.-H. Park, K.-S. Moon, S.-H. Lee, K.-R. Kwon",
    year=2017,
    title="Acute Leukemia Classification Using Convolution Neural Network in Clinical Decision Support"
    " System, CS & IT (ICAITA)",
    data="ALL-IDB1, 108 whole images",
    figure="92.8 % accuracy in the paper that this project starts from (26 of 28 images would be 92.86 %);"
    " 96.43 % (27 of 28) in the 2017 paper, as quoted by a public re-implementation, not verified by us",
    split="80 images to train, 28 to test; how they were drawn is not told",
    doi="",
    accuracy=0.928,
)
THANH_DEEP: Final = Claim(
    authors="T. T. P. Thanh, C. Vununu, S. Atoev, S.-H. Lee, K.-R. Kwon",
    year=2018,
    title="Leukemia Blood Cell Image Classification Using Convolutional Neural Network, IJCTE 10(2)",
    data="ALL-IDB1, 108 whole images augmented to 1,188",
    figure="96.6 % accuracy, as quoted by a public re-implementation, not verified by us",
    split="831 of the augmented images to train, 357 to test; whether copies of one image were kept on one"
    " side is not told",
    doi="10.7763/IJCTE.2018.V10.1198",
    accuracy=0.966,
)
ALLNET: Final = Claim(
    authors="N. Sampathila et al.",
    year=2022,
    title="Customized Deep Learning Classifier for Detection of Acute Lymphoblastic Leukemia Using Blood"
    " Smear Images, Healthcare 10(10):1812",
    data="public images of single cells, leukaemic or healthy",
    figure="95.54 % accuracy, 95.91 % sensitivity, 95.81 % specificity (maxima)",
    split=_NOT_IN_ABSTRACT,
    doi="10.3390/healthcare10101812",
    accuracy=0.9554,
)
DENSE_CNN: Final = Claim(
    authors="D. Kumar, N. Jain, A. Khurana, S. Mittal, S. C. Satapathy, R. Senkerik, D. J. Hemanth",
    year=2020,
    title="Automatic Detection of White Blood Cancer From Bone Marrow Microscopic Images Using"
    " Convolutional Neural Networks, IEEE Access 8",
    data="SN-AM bone marrow: 90 images of ALL, 100 of multiple myeloma, no healthy ones",
    figure="97.2 % accuracy",
    split=_NOT_IN_ABSTRACT,
    doi="10.1109/ACCESS.2020.3012292",
    accuracy=0.972,
)
REHMAN: Final = Claim(
    authors="A. Rehman, N. Abbas, T. Saba, S. I. ur Rahman, Z. Mehmood, H. Kolivand",
    year=2018,
    title="Classification of acute lymphoblastic leukemia using deep learning, Microsc. Res. Tech. 81(11)",
    data="stained bone marrow, a collection of their own: L1, L2, L3 and reactive marrow",
    figure="97.78 % accuracy, as cited in later papers, not verified by us",
    split="not verified by us",
    doi="10.1002/jemt.23139",
    accuracy=0.9778,
)
SHAFIQUE: Final = Claim(
    authors="S. Shafique, S. Tehsin",
    year=2018,
    title="Acute Lymphoblastic Leukemia Detection and Classification of Its Subtypes Using Pretrained Deep"
    " Convolutional Neural Networks, Technol. Cancer Res. Treat. 17",
    data="blood smears, 'our data set' in the abstract, augmented",
    figure="99.50 % accuracy of detection (sensitivity 100 %, specificity 98.11 %); 96.06 % of L1, L2, L3"
    " and normal",
    split=_NOT_IN_ABSTRACT,
    doi="10.1177/1533033818802789",
    accuracy=0.995,
)
BUKHARI: Final = Claim(
    authors="M. Bukhari, S. Yasmin, S. Sammad, A. A. Abd El-Latif",
    year=2022,
    title="A Deep Learning Framework for Leukemia Cancer Detection in Microscopic Blood Samples Using"
    " Squeeze and Excitation Learning, Math. Probl. Eng. 2022:2801227",
    data="ALL-IDB, as cited in later papers, not verified by us",
    figure="not verified by us: the abstract that we could read breaks off before its figures",
    split=_NOT_IN_ABSTRACT,
    doi="10.1155/2022/2801227",
)


def _build_thanh(side: TrainingSide) -> "keras.Model":
    from alltrain.models.seed import build_seed

    return build_seed(side.n_labels)


def _build_thanh_deep(side: TrainingSide) -> "keras.Model":
    from alltrain.literature.architectures import build_thanh_deep

    return build_thanh_deep(side.n_labels)


def _build_allnet(side: TrainingSide) -> "keras.Model":
    from alltrain.literature.architectures import build_allnet

    return build_allnet(side.n_labels)


def _build_dense_cnn(side: TrainingSide) -> "keras.Model":
    from alltrain.literature.architectures import build_dense_cnn

    return build_dense_cnn(side.n_labels, select_inputs(side))


def _build_alexnet(side: TrainingSide) -> "keras.Model":
    from alltrain.literature.architectures import build_alexnet

    return build_alexnet(side.n_labels)


def _build_se_cnn(side: TrainingSide) -> "keras.Model":
    from alltrain.literature.architectures import build_se_cnn

    return build_se_cnn(side.n_labels)


def select_inputs(side: TrainingSide) -> F32:
    """(50, 50, 3) float32: 1 for the half of the inputs with the largest chi-squared, 0 for the others.

    Of intensity against label over the patches that do not validate, as scikit-learn's
    SelectKBest(chi2) ranks features.
    """
    from sklearn.feature_selection import chi2

    train = ~side.is_validation
    flat = side.patches[train].reshape(int(train.sum()), -1)
    score = np.nan_to_num(chi2(flat, side.labels[train])[0])
    chosen = np.zeros(score.size, dtype=np.float32)
    chosen[np.argsort(-score, kind="stable")[: score.size // 2]] = 1
    return chosen.reshape(side.patches.shape[1:])


def keep_central_cell(patches: U8) -> U8:
    """Paint everything but the cell in the middle as plasma; a patch without one stays as it is."""
    from alltrain.literature.segmentation import segment_cell

    kept = patches.copy()
    for patch in kept:
        masks = segment_cell(patch)
        if masks.found:
            patch[~masks.cell] = PLASMA_LEVEL
    return kept


_ALEXNET: Final = NetworkRecipe(_build_alexnet, epochs=16, learning_rate=1e-4, varies=True)
_ALEXNET_CHOICES: Final = (
    "One tower of AlexNet's widths (64, 192, 384, 256, 256) and two dense layers of 4,096, with dropout.",
    (
        "Input of 99 pixels instead of 227, a sixth of the arithmetic: a patch of 50 pixels enlarged holds no"
        " more detail."
    ),
    _SCRATCH,
    "Adam at 1e-4, 16 epochs at most: the rates of fine-tuning do not move a network from scratch.",
    _PATCHES,
    _BEST_EPOCH,
)

NETWORKS: Final = (
    System(
        key="thanh",
        title="Thanh et al. 2017: two convolutions",
        kind="network",
        claim=THANH,
        description="Two 5x5 convolutions of 30 maps, one maximum, a softmax over two neurons, on images"
        " shrunk to 50x50. The layers are published in full; it is our network 'seed' under a plain recipe.",
        choices=(
            "Optimiser and epochs are not told: Adam at 1e-3, 20 epochs at most, no augmentation.",
            "The authors shrink a whole field to 50x50; here the 50x50 pixels show one cell.",
            _BEST_EPOCH,
        ),
        fit=fitting(NetworkRecipe(_build_thanh, epochs=20, learning_rate=1e-3)),
    ),
    System(
        key="thanh-deep",
        title="Thanh et al. 2018: five convolutions",
        kind="network",
        claim=THANH_DEEP,
        description="The deeper successor: five convolutions, one fully connected layer, softmax, on"
        " augmented images.",
        choices=(
            (
                "Widths (16, 32, 32, 64, 64), 3x3 kernels and a maximum after each are ours: the layer table"
                " could not be read."
            ),
            (
                "Augmentation is by mirroring and right angles, drawn anew, of training patches only; test"
                " cells are never augmented."
            ),
            "Adam at 1e-3, 30 epochs at most: not told.",
            _PATCHES,
            _BEST_EPOCH,
        ),
        fit=fitting(NetworkRecipe(_build_thanh_deep, epochs=30, learning_rate=1e-3, varies=True)),
    ),
    System(
        key="allnet",
        title="ALLNET",
        kind="network",
        claim=ALLNET,
        description="A custom convolutional network that calls single cells leukaemic or healthy.",
        choices=(
            (
                "Four stages of 3x3 convolution (32, 64, 128, 128) and maximum, a dense layer of 128 with"
                " dropout 0.5: ours, the layer table could not be read."
            ),
            "Input of 50 pixels as patches are; Adam at 1e-3, 25 epochs at most, mirrored and turned: ours.",
            "No batch normalisation: the abstract names none.",
            _BEST_EPOCH,
        ),
        fit=fitting(NetworkRecipe(_build_allnet, epochs=25, learning_rate=1e-3, varies=True)),
    ),
    System(
        key="dense-cnn",
        title="Dense CNN with feature selection",
        kind="network",
        claim=DENSE_CNN,
        description="Images are pre-processed, 'the best features' are extracted, and a compact"
        " convolutional network with dense layers is trained on them.",
        choices=(
            (
                "Feature selection keeps the half of the 7,500 inputs with the largest chi-squared on the"
                " training cells; the others are set to zero. Which selection and how many: ours."
            ),
            (
                "Two blocks of two 3x3 convolutions (32, 64) with dropout, a dense layer of 128: ours, the"
                " layer table could not be read."
            ),
            "Adam at 1e-3, 20 epochs at most: ours.",
            "The authors part ALL from myeloma in bone marrow; here blasts from other white cells.",
            _BEST_EPOCH,
        ),
        fit=fitting(NetworkRecipe(_build_dense_cnn, epochs=20, learning_rate=1e-3)),
    ),
    System(
        key="rehman",
        title="Segmentation and AlexNet",
        kind="network",
        claim=REHMAN,
        description="Cells are segmented first, then a network of AlexNet's kind tells subtypes L1, L2, L3"
        " and normal.",
        choices=(
            (
                "Segmentation as in the shape SVM row (triangle and Otsu thresholds, watershed); all but the"
                " central cell becomes plasma. The authors' segmentation could not be read in detail."
            ),
            *_ALEXNET_CHOICES,
        ),
        fit=fitting(replace(_ALEXNET, prepare=keep_central_cell)),
    ),
    System(
        key="shafique",
        title="AlexNet without segmentation",
        kind="network",
        claim=SHAFIQUE,
        description="AlexNet, its last layers replaced, fine-tuned on augmented images without any"
        " segmentation.",
        choices=_ALEXNET_CHOICES,
        fit=fitting(_ALEXNET),
    ),
    System(
        key="se-cnn",
        title="Squeeze-and-excitation CNN",
        kind="network",
        claim=BUKHARI,
        description="Convolutions whose maps are weighed by squeeze-and-excitation blocks at every level.",
        choices=(
            (
                "Four 3x3 convolutions (32, 64, 128, 256), each with a block of ratio 16 (Hu et al. 2018),"
                " mean of each map, dense layer of 128, dropout 0.5: ours, the layer table could not be read."
            ),
            "Adam at 1e-3, 25 epochs at most, mirrored and turned: ours.",
            _PATCHES,
            _BEST_EPOCH,
        ),
        fit=fitting(NetworkRecipe(_build_se_cnn, epochs=25, learning_rate=1e-3, varies=True)),
    ),
)
