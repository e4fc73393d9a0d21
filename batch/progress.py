"""How far a run is, for a person at a terminal, in a log, or for a program."""

import heapq
import json
import sys
import threading
import time
from collections import Counter
from typing import Any, Literal, NamedTuple, TextIO

Style = Literal["line", "plain", "json"]

# Seconds between two reports.
_INTERVAL = {"line": 0.2, "plain": 10.0, "json": float("inf")}
_SLOWEST = 10


class Slow(NamedTuple):
    """An image that took long, in seconds of work."""

    seconds: float
    source: str


class Progress:
    """Counts what is done. Threads may share it."""

    def __init__(self, total: int, style: Style, errors: TextIO, output: TextIO) -> None:
        """Report on `total` images: progress on `errors`, rows of JSON and the end on `output`."""
        self.total = total
        self.codes: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._style, self._errors, self._output = style, errors, output
        self._slowest: list[Slow] = []
        self._lock = threading.Lock()
        self._started = self._reported = time.monotonic()

    @property
    def failed(self) -> int:
        """The number of images that failed, in this run or in an earlier one."""
        return self.codes.total() - self.codes["ok"] + self.skipped["failed"]

    def add(self, row: dict[str, Any]) -> None:
        """Count a row of the manifest."""
        with self._lock:
            self.codes[row["code"]] += 1
            slow = Slow(sum(row["seconds"].values()), row["source"])
            if len(self._slowest) < _SLOWEST:
                heapq.heappush(self._slowest, slow)
            else:
                heapq.heappushpop(self._slowest, slow)
            if self._style == "json":
                print(json.dumps(row), file=self._output, flush=True)

    def skip(self, status: str) -> None:
        """Count an image that an earlier run has `done`, or that has `failed` there."""
        with self._lock:
            self.skipped[status] += 1

    def report(self) -> None:
        """Report if it is time to."""
        now = time.monotonic()
        if now - self._reported < _INTERVAL[self._style]:
            return
        self._reported = now
        if self._style == "line":
            print(f"\r\x1b[2K{self.line()}", end="", file=self._errors, flush=True)
        else:
            print(self.line(), file=self._errors, flush=True)

    def line(self) -> str:
        """Return how far the run is, in one line."""
        with self._lock:
            worked, skipped = self.codes.total(), self.skipped.total()
            codes = [f"{code} {n}" for code, n in self.codes.most_common() if code != "ok"]
        elapsed = max(time.monotonic() - self._started, 1e-6)
        rate = worked / elapsed
        parts = [f"{worked + skipped:,}/{self.total:,}"]
        if skipped:
            parts.append(f"{skipped:,} done before")
        parts.append(f"{sum(self.codes.values()) - self.codes['ok']:,} failed")
        if codes:
            parts[-1] += f" ({', '.join(codes)})"
        parts.append(f"{rate:.1f} images/s")
        if rate:
            parts.append(f"{_clock((self.total - worked - skipped) / rate)} left")
        return ", ".join(parts)

    def finish(self, sentence: str) -> None:
        """Report the end: a table of codes, and the slowest images."""
        elapsed = time.monotonic() - self._started
        slowest = sorted(self._slowest, reverse=True)
        if self._style == "json":
            summary = {
                "total": self.total,
                "codes": dict(self.codes),
                "skipped": dict(self.skipped),
                "seconds": round(elapsed, 3),
                "slowest": [slow._asdict() for slow in slowest],
                "message": sentence,
            }
            print(json.dumps({"summary": summary}), file=self._output, flush=True)
            return
        if self._style == "line":
            print("\r\x1b[2K", end="", file=self._errors, flush=True)
        rows = [(code, count) for code, count in self.codes.most_common()]
        rows += [(f"{status} before", count) for status, count in self.skipped.most_common()]
        lines = [f"{count:>9,}  {name}" for name, count in rows]
        if slowest:
            lines += [
                "",
                "The slowest:",
                *(f"{slow.seconds:9.2f} s  {slow.source}" for slow in slowest),
            ]
        rate = self.codes.total() / max(elapsed, 1e-6)
        lines += ["", f"{sentence} {_clock(elapsed)}, {rate:.1f} images/s."]
        text = "\n".join(lines).encode(self._output.encoding or "utf-8", "backslashreplace")
        print(text.decode(self._output.encoding or "utf-8"), file=self._output, flush=True)


def choose_style(as_json: bool) -> Style:
    """Return how to report on standard error."""
    if as_json:
        return "json"
    return "line" if sys.stderr.isatty() else "plain"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
