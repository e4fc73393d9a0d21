"""Connected components and nearest cells of small boolean grids, by NumPy alone.

SciPy has both, but its import takes 18 MB of memory (docs/decisions/0009-numpy-components.md).
"""

import numpy as np
from numpy.typing import NDArray

# Cells per step of `nearest_cells`, so that their distances stay in the processor's cache.
_CHUNK = 256


def label(cells: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the 8-connected components from 1, in the order of their first cells.

    `cells` is (height, width). Return the numbers, 0 outside of `cells`, and how many there are.

    The nodes of the graph are runs of cells within a row. Two runs are joined if they touch in
    adjacent rows, also diagonally.
    """
    width = cells.shape[1]
    # One column more than the grid, so that no run continues in the next row.
    edges = np.diff(np.pad(cells, ((0, 0), (1, 1))).astype(np.int8), axis=1).ravel()
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    row, lengths = starts // (width + 1), ends - starts
    upper, lower = _touching_runs(starts, ends, row, width + 1)
    root = np.arange(len(starts))
    while True:
        one, other = root[upper], root[lower]
        if (one == other).all():
            break
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        while not (root == root[root]).all():
            root = root[root]
    roots, number = np.unique(root, return_inverse=True)
    labels = np.zeros(cells.shape, np.int32)
    labels[cells] = np.repeat(number + 1, lengths)
    return labels, len(roots)


def _touching_runs(
    starts: NDArray[np.intp], ends: NDArray[np.intp], row: NDArray[np.intp], width: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of all pairs of runs that touch: the upper ones, and the lower ones.

    Runs are given by their flat positions in rows of `width`, in ascending order. Of the row below,
    a run touches those from the first that ends at or after its start to the last that starts at or
    before its end.
    """
    first = np.searchsorted(ends, starts + width)
    last = np.searchsorted(starts, ends + width, side="right")
    first = np.maximum(first, np.searchsorted(row, row + 1))
    last = np.minimum(last, np.searchsorted(row, row + 1, side="right"))
    count = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), count)
    before = np.cumsum(count) - count
    lower = np.arange(count.sum()) - np.repeat(before - first, count)
    return upper, lower


def nearest_cells(
    targets: NDArray[np.bool_], cells: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return row and column of the target nearest to each of `cells`, in row-major order.

    Both are (height, width); `targets` has at least one. Distances are Euclidean and exact: the
    nearest target in each column is found first, and then the nearest of these.
    """
    height, width = targets.shape
    rows, far = np.arange(height, dtype=np.int32)[:, np.newaxis], 4 * max(targets.shape)
    above = np.maximum.accumulate(np.where(targets, rows, np.int32(-far)), axis=0)
    below = np.minimum.accumulate(np.where(targets, rows, np.int32(far))[::-1], axis=0)[::-1]
    nearest_row = np.where(rows - above <= below - rows, above, below)
    squares = (nearest_row - rows) ** 2
    columns = np.arange(width, dtype=np.int32)
    squares_across = (columns[:, np.newaxis] - columns) ** 2
    row, column = np.nonzero(cells)
    nearest = np.empty(len(row), np.intp)
    for start in range(0, len(row), _CHUNK):
        part = slice(start, start + _CHUNK)
        nearest[part] = (squares_across[column[part]] + squares[row[part]]).argmin(axis=1)
    return nearest_row[row, nearest].astype(np.intp), nearest
