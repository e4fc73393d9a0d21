"""What images are processed with: all processors, or half of them for each of two small images."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import engine
from pipeline.engine import LARGE_BYTES, SHARED_BYTES, Engine, Slot, load_engine
from pipeline.image.strips import Strips
from pipeline.mask.segmenter import Prediction, Segmenter
from tests.support.images import model_image_of

SOON = 5  # seconds


class Model:
    """A model that counts how often its memory is released."""

    input_size = (8, 8)
    released = 0

    def predict(self, model_image: Image.Image) -> Prediction:
        return Prediction(np.zeros((8, 8), np.uint8), 1.0)

    def release_memory(self) -> None:
        self.released += 1


def test_an_image_has_all_processors_unless_it_shares_them() -> None:
    whole, half = Slot(Model(), Strips(2)), Slot(Model())
    both = Engine(whole, half)
    for is_shared, expected in ((False, whole), (True, half)):
        used = both.run(lambda slot: slot, is_shared)
        assert (used.segmenter, used.strips) == (expected.segmenter, expected.strips)
    assert Engine(whole).run(lambda slot: slot.segmenter, is_shared=True) is whole.segmenter


def test_two_small_images_are_processed_at_once() -> None:
    both_work, two = threading.Barrier(2), Engine(Slot(Model()), Slot(Model()))

    def work(slot: Slot) -> bool:
        slot.claim(SHARED_BYTES)
        both_work.wait(SOON)
        return slot.is_large

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(two.run, work, True) for _ in range(2)]
        assert [one.result(SOON) for one in running] == [False, False]


@pytest.mark.parametrize("needed", [SHARED_BYTES + 1, LARGE_BYTES + 1])
def test_a_larger_image_frees_the_activations_and_has_all_processors_alone(needed: int) -> None:
    whole, half = Slot(Model(), Strips(2)), Slot(Model())
    two, both_started, at_work = Engine(whole, half), threading.Barrier(2), list[Segmenter]()

    def work(slot: Slot) -> None:
        both_started.wait(SOON)
        assert slot.claim(needed) is whole.strips
        assert slot.is_large == (needed > LARGE_BYTES)
        at_work.append(slot.segmenter)
        assert at_work == [whole.segmenter]
        at_work.clear()

    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(two.run, work, True) for _ in range(2)]:
            one.result(SOON)
    # When both wait to be alone, when each ends, and before each if it is large.
    assert whole.segmenter.released == (3 if needed <= LARGE_BYTES else 5)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("threads", "slots", "expected"), [(1, 1, [1]), (2, 2, [2, 1]), (3, 2, [3, 2]), (8, 2, [8, 4])]
)
def test_the_model_is_loaded_for_all_processors_and_for_half_of_them(
    threads: int, slots: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []

    def load(model: str, model_file: Path, count: int) -> Model:
        assert (model, model_file) == ("u2netp", Path("file"))
        loaded.append(count)
        return Model()

    monkeypatch.setattr(engine, "load_segmenter", load)
    load_engine("u2netp", Path("file"), threads, slots)
    assert loaded == expected


def test_the_answer_does_not_depend_on_the_number_of_threads(
    photo: bytes, model_file: Path
) -> None:
    """The two models, of one thread and of two, make the same mask to the bit."""
    two = load_engine("u2netp", model_file, threads=2, slots=2)
    image = model_image_of(photo)
    alone, shared = (
        two.run(lambda slot: slot.segmenter.predict(image).mask, is_shared)
        for is_shared in (False, True)
    )
    assert np.array_equal(alone, shared)
