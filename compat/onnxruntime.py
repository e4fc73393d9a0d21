"""onnxruntime: a memory arena that sessions share and that can be shrunk, out-of-memory errors."""

import functools
import os

import numpy as np

from compat import require

# onnxruntime collects usage data unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

# An ONNX graph of one node, y = Identity(x), for one float. onnxruntime shrinks its arena only at
# the end of a run, and this is the cheapest run.
_IDENTITY = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01g'
    b"Z\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01"
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


class SharedArena:
    """The memory of inferences: one arena for all sessions of the process."""

    def __init__(self) -> None:
        _register_arena()
        self._identity = onnxruntime.InferenceSession(
            _IDENTITY, sess_options=session_options(threads=1), providers=["CPUExecutionProvider"]
        )
        self._shrink = onnxruntime.RunOptions()
        self._shrink.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def shrink(self) -> None:
        """Return memory that no inference uses to the allocator."""
        self._identity.run(None, {"x": np.zeros(1, np.float32)}, self._shrink)


@functools.cache
def _register_arena() -> None:
    """Register the arena. A process can do this only once.

    The arena grows by the requested size (strategy 1). By default it would double, and keep memory
    that is never used.
    """
    cpu = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(
        cpu, onnxruntime.OrtArenaCfg({"arena_extend_strategy": 1})
    )


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return the options of a session in the shared arena, with `threads` per inference."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Run the nodes in the file's order, which `pipeline/weights/split.py` has chosen for memory.
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    # Both options hold memory longer than it is used. Without them an inference takes 79 MB instead
    # of 168 (pattern) or 107 (reuse), in the same time.
    options.enable_mem_pattern = False
    options.enable_mem_reuse = False
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Let threads spin while they wait for each other, which saves 3 % of the time, but not between
    # inferences, when other steps need the processor.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return options


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an inference ran out of memory: onnxruntime has no exception class for it."""
    return "alloc" in str(error).lower()


def check() -> None:
    """Raise MovedError unless a session can be made in the shared arena, and the arena shrunk."""
    require(
        "onnxruntime",
        onnxruntime.__version__,
        {"an arena that sessions share and that shrinks": _can_shrink},
    )


def _can_shrink() -> bool:
    SharedArena().shrink()
    return True
