"""How the worker's memory is kept, so that it stays flat."""

import ctypes

# glibc reads its settings when a process starts, so these are the worker's environment (`tunables` in glibc's manual; other C
# libraries ignore them).
#
# What is over 4 MB (pictures, activations, sources, answers) is mapped by itself and goes back to the system when it is freed; left
# alone, glibc raises this threshold to 32 MB with use, and the holes that pictures leave stay: 454 instead of 374 MB at the peak of
# a 24-megapixel picture, 363 instead of 146 MB after it. Bands are smaller and are kept for re-use, up to 16 MB: with everything
# mapped, writing a PNG takes twice as long. Two arenas bound what each thread keeps of its own. Huge pages, where the kernel gives
# them on request, make memory that is given back and taken anew cheap: 10 instead of 30 ms for an inference's.
WORKER_ENVIRONMENT = {
    "GLIBC_TUNABLES": ":".join(
        (
            f"glibc.malloc.mmap_threshold={4 << 20}",
            f"glibc.malloc.trim_threshold={16 << 20}",
            "glibc.malloc.arena_max=2",
            "glibc.malloc.hugetlb=1",
        )
    ),
    # NumPy's and SciPy's matrix libraries are not used; each would start a thread a processor, with a buffer.
    "OPENBLAS_NUM_THREADS": "1",
}


def release_free_memory() -> None:
    """Give what glibc keeps for re-use back to the system: some 15 MB, in a millisecond or two."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
