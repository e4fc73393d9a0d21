"""Mutate images by a seed: the same originals and the same seed give the same bytes."""

import itertools
from collections.abc import Callable
from pathlib import Path
from random import Random

from pipeline.image.formats import detect_format
from tests.support.image_parts import parts, repair_checksums
from tests.support.image_variants import variants

Originals = dict[str, list[bytes]]
Mutator = Callable[[Random, bytearray, Originals], None]

# Bytes. In a large file, most mutations would hit pixels.
_LARGEST_ORIGINAL = 200_000
_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# Mutations per file. Mostly one or two: the first of ten is usually fatal.
_MUTATION_COUNTS = (1, 1, 1, 2, 2, 3, 5, 8)


def originals(outside: Path) -> Originals:
    """Return valid images by format: variants of the sample, and the small files of a folder."""
    files: Originals = {}
    others = (
        file.read_bytes()
        for folder in ("corpus", "awkward")
        for file in sorted((outside / folder).rglob("*"))
        if file.is_file() and file.stat().st_size < _LARGEST_ORIGINAL
    )
    for data in itertools.chain(variants(), others):
        kind = detect_format(data)
        if kind is not None:
            files.setdefault(kind, []).append(data)
    return files


def mutated(files: Originals, seed: int) -> bytes:
    """Return a mutated file; each format is equally likely."""
    random = Random(seed)
    data = bytearray(random.choice(files[random.choice(sorted(files))]))
    for _ in range(random.choice(_MUTATION_COUNTS)):
        random.choice(_MUTATORS)(random, data, files)
    if random.random() < 0.8:
        repair_checksums(data)
    return bytes(data)


def _place(random: Random, data: bytearray) -> int:
    """Choose a place: in half of the cases near the beginning, where most decisions are made."""
    return random.randrange(max(1, len(data) if random.random() < 0.5 else min(len(data), 200)))


def _change_bytes(random: Random, data: bytearray, _: Originals) -> None:
    """Replace some bytes by random ones."""
    at = _place(random, data)
    for place in range(at, min(at + random.choice((1, 1, 2, 4, 16)), len(data))):
        data[place] = random.randrange(256)


def _flip_bits(random: Random, data: bytearray, _: Originals) -> None:
    """Flip some bits."""
    for at in (_place(random, data) for _ in range(random.choice((1, 1, 2, 8)))):
        if at < len(data):
            data[at] ^= 1 << random.randrange(8)


def _remove_bytes(random: Random, data: bytearray, _: Originals) -> None:
    """Remove some bytes."""
    at = _place(random, data)
    del data[at : at + random.choice((1, 2, 4, 40, 1000))]


def _repeat_bytes(random: Random, data: bytearray, _: Originals) -> None:
    """Repeat some bytes."""
    at = _place(random, data)
    data[at:at] = data[at : at + random.choice((1, 2, 4, 40, 1000))]


def _swap_blocks(random: Random, data: bytearray, _: Originals) -> None:
    """Exchange two blocks."""
    size = random.choice((2, 4, 16, 64, 512))
    one, other = _place(random, data), _place(random, data)
    if max(one, other) + size <= len(data) and abs(one - other) >= size:
        data[one : one + size], data[other : other + size] = (
            data[other : other + size],
            data[one : one + size],
        )


def _truncate(random: Random, data: bytearray, _: Originals) -> None:
    """Cut the file off."""
    del data[_place(random, data) :]


def _go_to_extremes(random: Random, data: bytearray, _: Originals) -> None:
    """Replace a number near the beginning of a part: a length, a dimension or a count."""
    start, end = random.choice(parts(data))
    at = start + random.randrange(min(24, max(1, end - start)))
    width = random.choice((1, 2, 4))
    value = random.choice(_EXTREMES) & (256**width - 1)
    if at + width <= len(data):
        data[at : at + width] = value.to_bytes(width, random.choice(("big", "little")))


def _swap_parts(random: Random, data: bytearray, _: Originals) -> None:
    """Exchange two parts."""
    (first, first_end), (second, second_end) = sorted(random.choices(parts(data), k=2))
    if first_end <= second:
        data[first:second_end] = (
            data[second:second_end] + data[first_end:second] + data[first:first_end]
        )


def _repeat_part(random: Random, data: bytearray, _: Originals) -> None:
    """Repeat a part, sometimes a hundred times."""
    start, end = random.choice(parts(data))
    if end - start < 10_000:
        data[end:end] = data[start:end] * random.choice((1, 1, 2, 100))


def _drop_part(random: Random, data: bytearray, _: Originals) -> None:
    """Remove a part."""
    start, end = random.choice(parts(data))
    del data[start:end]


def _splice(random: Random, data: bytearray, files: Originals) -> None:
    """Continue with the middle of another file, in half of the cases of the same format."""
    kind = detect_format(bytes(data[:64])) if random.random() < 0.5 else None
    other = random.choice(files[kind or random.choice(sorted(files))])
    data[_place(random, data) :] = other[random.randrange(len(other)) :]


_MUTATORS: tuple[Mutator, ...] = (
    _change_bytes,
    _flip_bits,
    _remove_bytes,
    _repeat_bytes,
    _swap_blocks,
    _truncate,
    _go_to_extremes,
    _go_to_extremes,
    _go_to_extremes,
    _swap_parts,
    _repeat_part,
    _drop_part,
    _splice,
)
