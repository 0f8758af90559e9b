"""Prints what tflite-runtime answers to a model's golden patches; run by the Python that has it.

Uses `alledge` alone, as a device would: numpy 1, no TensorFlow, no pytest.
"""

import json
import sys
from pathlib import Path

from alledge.classifier import open_classifier
from alledge.model_file import read_model


def main() -> None:
    model = read_model(Path(sys.argv[1]))
    answers = {
        kernels: open_classifier(model, kernels, "tflite-runtime").int8_logits(model.golden.patches).tolist()
        for kernels in ("reference", "optimised")
    }
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main()
