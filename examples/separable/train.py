"""Trains the zoo's DS-CNN on the sounds of examples/sounds and measures it on a board.

    make example-separable

Everything stays in ``build/separable``; the float model is there for ``outliers.py``.
"""

from __future__ import annotations

from examples.sounds.synthesis import CLASSES, FRAMES, dataset
from examples.workflow import BUILD, Data, board_argument, fit, measure, save, seed
from tinyaiot import zoo

BANDS = 10
COUNT, TEST_COUNT = 8000, 1000
EPOCHS = 15

WORK = BUILD / "separable"
FLOAT_MODEL = WORK / "float.keras"


def main() -> None:
    board = board_argument(__doc__)
    seed(7)
    training, test = training_data(), test_data()
    model = zoo.ds_cnn(FRAMES, BANDS, len(CLASSES))
    fit(model, training, EPOCHS)
    WORK.mkdir(parents=True, exist_ok=True)
    model.save(FLOAT_MODEL)
    measure(save(WORK, model, training, test), model, test, board)


def training_data() -> Data:
    return Data(*dataset(COUNT, BANDS, seed=1))


def test_data() -> Data:
    return Data(*dataset(TEST_COUNT, BANDS, seed=2))


if __name__ == "__main__":
    main()
