"""Memory cgroups, version 1 or 2: a hard limit without swap. Making one takes root."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cgroup:
    """A memory cgroup."""

    folder: Path
    peak_file: str

    def entering(self, command: Sequence[str]) -> list[str]:
        """Return a command line that enters the cgroup and then becomes `command`."""
        processes = str(self.folder / "cgroup.procs")
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', processes, *command]

    def peak(self) -> int:
        """Return the most that the kernel has charged, page cache included, in bytes."""
        return int((self.folder / self.peak_file).read_text())

    def held(self) -> int:
        """Return what its processes hold, in bytes, without the page cache, which can go."""
        fields = self._fields("memory.stat")
        return int(fields.get("anon") or fields["total_rss"])

    def out_of_memory_kills(self) -> int:
        """Return how many of its processes the kernel has killed for lack of memory."""
        v2 = (self.folder / "memory.events").exists()
        return int(self._fields("memory.events" if v2 else "memory.oom_control")["oom_kill"])

    def _fields(self, file: str) -> dict[str, str]:
        return dict(line.split() for line in (self.folder / file).read_text().splitlines())


def cgroup_of(process: int) -> Cgroup:
    """Return the memory cgroup that a process is in."""
    for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return Cgroup(_V1 / path.lstrip("/"), "memory.max_usage_in_bytes")
        if not controllers and (_V2 / path.lstrip("/") / "memory.peak").exists():
            return Cgroup(_V2 / path.lstrip("/"), "memory.peak")
    raise FileNotFoundError(f"no memory cgroup of process {process}")


@contextmanager
def hard_limit(limit: int) -> Iterator[Cgroup | None]:
    """Yield a cgroup that may hold `limit` bytes, or None if none can be made."""
    is_v1 = (_V1 / "memory.limit_in_bytes").exists()
    folder = (_V1 if is_v1 else _V2) / f"background-remover-bench-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    try:
        yield _limited(folder, is_v1, limit)
    finally:
        _remove(folder)


def _limited(folder: Path, is_v1: bool, limit: int) -> Cgroup | None:
    try:
        if not is_v1:
            (folder / "memory.max").write_text(str(limit))
            (folder / "memory.swap.max").write_text("0")
            return Cgroup(folder, "memory.peak")
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        # Memory and swap together; absent if the kernel does not count swap.
        swap = folder / "memory.memsw.limit_in_bytes"
        if swap.exists():
            swap.write_text(str(limit))
        return Cgroup(folder, "memory.max_usage_in_bytes")
    except OSError:
        return None


def _remove(folder: Path) -> None:
    """Remove the cgroup; the kernel takes a moment to notice that its last process has ended."""
    for _ in range(50):
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.1)
    folder.rmdir()
