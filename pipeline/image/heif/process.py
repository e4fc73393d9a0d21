"""The decoder's process: started, spoken to within a deadline, and killed."""

import os
import select
import subprocess
import sys
import time

from pipeline.image.heif import child

# Of the process that decodes, and of nothing else: it needs no variable, and must not see secrets.
# One arena: each would reserve 64 MB of the address space that the process is limited to.
_ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}


class ChildError(Exception):
    """The process has died, or did not answer in time."""


class HeifProcess:
    """A process that decodes one file after the other. Not for several threads at once.

    After it has been idle, it ends; its entry in the process table stays until `is_usable` is read.
    """

    def __init__(self, most_memory: int) -> None:
        """Start it, with at most `most_memory` bytes besides what Python and its libraries take.

        Raises OSError.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-I", child.__file__, str(most_memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=_ENVIRONMENT,
            # Ctrl-C in a terminal is for the service, which may still need the process.
            process_group=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._input, self._output):
            os.set_blocking(pipe, False)
        self._deadline = 0.0
        self._last_used = time.monotonic()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether it is there, and will not end before it has received a request."""
        idle = time.monotonic() - self._last_used
        return self._process.poll() is None and idle < child.IDLE_SECONDS / 2

    def request(
        self, data: bytes, in_planes: bool, memory: int, cpu_seconds: int, deadline: float
    ) -> None:
        """Send a file to be decoded within these limits; `deadline` is a `time.monotonic`.

        Raises ChildError.
        """
        self._deadline = deadline
        for part in (child.REQUEST.pack(len(data), memory, cpu_seconds, in_planes), data):
            rest = memoryview(part)
            while rest:
                self._wait(self._input, select.POLLOUT)
                try:
                    rest = rest[os.write(self._input, rest) :]
                except OSError as exc:
                    raise ChildError from exc

    def read_into(self, buffer: memoryview) -> None:
        """Fill a buffer with the next bytes of the reply. Raises ChildError."""
        while buffer:
            self._wait(self._output, select.POLLIN)
            count = os.readv(self._output, [buffer])
            if count == 0:
                raise ChildError
            buffer = buffer[count:]
        self._last_used = time.monotonic()

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes of the reply. Raises ChildError."""
        buffer = bytearray(size)
        self.read_into(memoryview(buffer))
        return bytes(buffer)

    def kill(self) -> None:
        """End it at once, and wait for its end."""
        self._process.kill()
        with self._process:  # closes the pipes, and waits
            pass

    def _wait(self, pipe: int, event: int) -> None:
        """Return once a pipe is ready. Raises ChildError at the deadline."""
        poll = select.poll()
        poll.register(pipe, event)
        if not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
            raise ChildError
