"""The allocator's settings, for memory that stays flat."""

import ctypes

# mallopt's parameters (malloc.h of glibc).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def configure_allocator() -> None:
    """Tell glibc how to keep memory. To be called before anything large is allocated; other C libraries are left alone.

    What is over 4 MB (pictures, activations, sources, answers) is mapped by itself and goes back to the system when it is freed;
    left alone, glibc raises this threshold to 32 MB with use, and the holes that pictures leave stay: 454 instead of 374 MB at
    the peak of a 24-megapixel picture, 363 instead of 146 MB after it. Bands are smaller, and are kept for re-use: with
    everything mapped, writing a PNG takes twice as long. Two arenas bound what each thread keeps of its own.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, 4 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 16 << 20)
        libc.mallopt(_M_ARENA_MAX, 2)


def release_free_memory() -> None:
    """Give what the allocator keeps for re-use back to the system: some 15 MB, in a millisecond or two."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
