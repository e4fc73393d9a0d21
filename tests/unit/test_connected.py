"""Connected components and nearest cells, compared with SciPy's."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.mask.connected import label, nearest_cells

EIGHT_CONNECTED = np.ones((3, 3), int)


def grid(*rows: str) -> NDArray[np.bool_]:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_components_are_numbered_in_the_order_of_their_first_cells() -> None:
    labels, count = label(grid("#.#.", "..#.", "#...", "#..#"))
    assert count == 4
    assert labels.tolist() == [[1, 0, 2, 0], [0, 0, 2, 0], [3, 0, 0, 0], [3, 0, 0, 4]]


def test_diagonal_neighbors_are_connected_and_rows_do_not_wrap() -> None:
    assert label(grid("#..", ".#.", "..#"))[1] == 1
    assert label(grid("..#", "#..", "..#"))[1] == 3


def test_runs_that_meet_late_are_one_component() -> None:
    labels, count = label(grid("#.#.#", "#.#.#", "#####"))
    assert count == 1
    assert set(labels[grid("#.#.#", "#.#.#", "#####")]) == {1}


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_grid_may_be_empty_or_full(shape: tuple[int, int]) -> None:
    assert label(np.zeros(shape, bool))[1] == 0
    assert label(np.ones(shape, bool))[1] == 1


@pytest.mark.parametrize("seed", range(60))
def test_random_grids_are_labeled_as_by_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    cells = random.random(random.integers(1, 90, 2)) < random.random()
    labels, count = label(cells)
    expected, expected_count = ndimage.label(cells, EIGHT_CONNECTED)
    assert count == expected_count
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize("seed", range(60))
def test_the_nearest_target_is_as_near_as_by_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = random.integers(2, 90, 2)
    targets = random.random(shape) < random.choice([0.001, 0.01, 0.3])
    targets[tuple(random.integers(0, shape))] = True
    cells = random.random(shape) < 0.6
    rows, columns = nearest_cells(targets, cells)
    assert targets[rows, columns].all()
    y, x = np.nonzero(cells)
    distances = ndimage.distance_transform_edt(~targets)[cells]
    assert np.hypot(rows - y, columns - x) == pytest.approx(distances)
