"""A lock that several threads hold at once, until one of them asks to be alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class SharedLock:
    """A shared lock that its holders can turn into an exclusive one."""

    def __init__(self, on_free: Callable[[], None] = lambda: None) -> None:
        """Call `on_free` whenever no thread holds the lock any more, before one gets it again."""
        self._on_free = on_free
        self._changed = threading.Condition()
        self._holders = 0
        self._claimants = 0
        self._is_exclusive = False

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Hold the lock beside others; yield the function that asks to be alone.

        That function returns once no other thread holds the lock, and no thread gets it until this
        one has released it. Threads that ask to be alone go before those that do not.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._is_exclusive and self._claimants == 0)
            self._holders += 1
        try:
            yield self._exclude_others
        finally:
            with self._changed:
                self._is_exclusive = False  # a thread that is alone is the only one to get here
                self._release()

    def _exclude_others(self) -> None:
        with self._changed:
            if self._is_exclusive:
                return
            # Two threads that ask at the same time must not wait for each other.
            self._claimants += 1
            try:
                self._release()
                self._changed.wait_for(lambda: self._holders == 0)
                self._is_exclusive = True
            finally:
                self._claimants -= 1
                self._holders += 1

    def _release(self) -> None:
        """Give the lock back, then call `on_free`, whose exception must leave nobody waiting."""
        self._holders -= 1
        self._changed.notify_all()
        if self._holders == 0:
            self._on_free()
