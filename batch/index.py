"""A dictionary of millions of texts, in a temporary file: memory holds 2 MB of it.

Keys are stored as 64 bits of their SHA-256. Two of a million names are the same with a probability
of 3 in 100 million.
"""

import hashlib
import sqlite3
import threading

_CACHE_KILOBYTES = 2_000


class DiskIndex:
    """Maps texts to a number of 64 bits with a sign each. Threads may share it."""

    def __init__(self) -> None:
        """Make an empty index. SQLite deletes its file when this process ends, however it does."""
        self._lock = threading.Lock()
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KILOBYTES}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE entries (key INTEGER PRIMARY KEY, value INTEGER)")
        self._database.execute("BEGIN")

    def add(self, text: str, value: int = 0) -> bool:
        """Map `text` to `value` unless it is known. Return whether it was new."""
        query = "INSERT OR IGNORE INTO entries VALUES (?, ?)"
        with self._lock:
            return self._database.execute(query, (digest(text), value)).rowcount == 1

    def __setitem__(self, text: str, value: int) -> None:
        query = "INSERT OR REPLACE INTO entries VALUES (?, ?)"
        with self._lock:
            self._database.execute(query, (digest(text), value))

    def get(self, text: str) -> int | None:
        """Return the number of `text`, or None."""
        query = "SELECT value FROM entries WHERE key = ?"
        with self._lock:
            row = self._database.execute(query, (digest(text),)).fetchone()
        return None if row is None else int(row[0])

    def close(self) -> None:
        """Delete the file."""
        self._database.close()


def digest(text: str) -> int:
    """Return 64 bits of the SHA-256 of a text, as a number with a sign."""
    found = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return int.from_bytes(found[:8], signed=True)
