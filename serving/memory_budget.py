"""Bounds the bytes that requests hold: sources until they are processed, responses until sent.

Without this bound, sixteen requests could hold sixteen sources of 20 MB, and slow clients any
number of responses. Requests reserve memory as bytes arrive, the oldest request first. If memory
is short, slow peers are evicted: a client or a source that sends too slowly, or a client that reads
too slowly.
"""

import asyncio
import enum
from collections.abc import Callable
from time import monotonic

# In bytes, chosen with `make bench BENCH="--only limit"` (sixteen images of 24 megapixels at once):
# the kernel's peak is 446 MB of 512; with 24 MB it is 468 MB, and no faster. 16 MB hold five photos
# of 12 megapixels (3 MB each), enough to keep the executor busy.
CAPACITY = 16_000_000

# The first bytes of each request never wait: a JSON body fits into them, and those of sixteen
# requests are 1 MB.
FREE_BYTES = 64 * 1024

# A peer that needs this long to transfer this many bytes has stalled, and is evicted as soon as
# others need the memory. A client that sends is stalled below 16 KB per second, one that reads
# below 32 KB per second, because responses are sent in parts of 64 KB.
STALL_SECONDS = 2.0
_STALL_BYTES = 32 * 1024

# A request that has waited this many seconds for memory may also evict a client that has been
# reading its response for PATIENCE seconds, or a peer that has been sending for as long, at less
# than the given rate.
_WAIT_SECONDS = 1.0
PATIENCE = 5.0
_SLOW_BYTES_PER_SECOND = 256 * 1024

# How often a waiting request checks for slow peers, in seconds.
CHECK_INTERVAL = 0.25


class Transfer:
    """Measures how fast a peer transfers bytes. Only the time spent waiting for the peer counts."""

    def __init__(self) -> None:
        self._waiting_since: float | None = monotonic()
        self._seconds = 0.0
        self._moved = 0
        self._mark = (0.0, 0)

    @property
    def seconds(self) -> float:
        """The time spent waiting for the peer, in seconds."""
        return self._seconds + (
            0.0 if self._waiting_since is None else monotonic() - self._waiting_since
        )

    @property
    def has_stalled(self) -> bool:
        """Whether the peer has taken 2 s or more for its last 32 KB."""
        return self.seconds - self._mark[0] >= STALL_SECONDS

    @property
    def bytes_per_second(self) -> float:
        """The average rate so far."""
        return self._moved / max(self.seconds, 1e-6)

    def moved(self, size: int) -> None:
        """Count `size` bytes that the peer has sent or read."""
        self._moved += size
        if self._moved - self._mark[1] >= _STALL_BYTES:
            self._mark = (self.seconds, self._moved)

    def pause(self) -> None:
        """Stop measuring: the peer waits for the service."""
        self._seconds, self._waiting_since = self.seconds, None

    def resume(self) -> None:
        """Start measuring: the service waits for the peer."""
        self._waiting_since = monotonic()


class Phase(enum.Enum):
    """What the bytes of a reservation are for."""

    HOLDING = "a complete source"
    RECEIVING = "a source that is being received"
    SENDING = "a response that is being sent"


class Reservation:
    """The memory of one request until the end of its response. Made by `MemoryBudget.open`."""

    def __init__(self, budget: "MemoryBudget", evict: Callable[[], None]) -> None:
        self._budget = budget
        self._evict = evict
        self.phase = Phase.RECEIVING
        self.transfer = Transfer()
        self.size = 0

    async def grow(self, size: int) -> None:
        """Reserve memory for `size` more bytes of a source, which have arrived. May wait."""
        if self.phase is not Phase.RECEIVING:
            self.phase, self.transfer = Phase.RECEIVING, Transfer()
        self.transfer.moved(size)
        self.transfer.pause()
        await self._budget.make_room(self, size)
        self.transfer.resume()

    def complete(self) -> None:
        """Mark the source complete: its peer can no longer be evicted as slow."""
        self.phase = Phase.HOLDING
        self._budget.settle(self, self.size)

    def release(self) -> None:
        """Free the reserved memory. `grow` may reserve more later."""
        self.phase = Phase.HOLDING
        self._budget.settle(self, 0)

    def begin_sending(self, size: int) -> None:
        """Replace the source by a response of `size` bytes."""
        self.phase, self.transfer = Phase.SENDING, Transfer()
        self._budget.settle(self, size)

    def ensure_sending(self) -> None:
        """Free the source for an error response, whose size is negligible."""
        if self.phase is not Phase.SENDING:
            self.begin_sending(0)

    def sent(self, size: int) -> None:
        """Count `size` bytes of the response that the client has taken."""
        self.transfer.moved(size)

    def close(self) -> None:
        """Free the reserved memory for good."""
        self._budget.close(self)
        self._evict = _do_nothing

    def evict(self) -> None:
        """Free the memory at once and end the request, because others need the memory."""
        evict = self._evict
        self.close()
        evict()

    def is_slow(self, patience_is_over: bool) -> bool:
        """Return whether the peer is slow enough to be evicted."""
        if self.phase is Phase.HOLDING:
            return False
        if self.transfer.has_stalled:
            return True
        if not patience_is_over or self.transfer.seconds < PATIENCE:
            return False
        return (
            self.phase is Phase.SENDING or self.transfer.bytes_per_second < _SLOW_BYTES_PER_SECOND
        )


def _do_nothing() -> None:
    """Evict a request that has ended already."""


class MemoryBudget:
    """The memory of all requests of one worker. Call all methods in the event loop's thread.

    One request at a time, the oldest that waits, may exceed the capacity, so that it can always
    finish. At most `capacity` bytes plus one source are held before processing.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Hold at most `capacity` bytes."""
        self._capacity = capacity
        self._reservations: list[Reservation] = []  # the oldest first
        self._waiting: dict[Reservation, tuple[int, asyncio.Future[None]]] = {}
        self._exceeding: Reservation | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def held(self) -> int:
        """The bytes that all requests hold."""
        return sum(reservation.size for reservation in self._reservations)

    @property
    def has_room_for_a_response(self) -> bool:
        """Whether the responses being sent leave room for another, of unknown size."""
        return (
            sum(one.size for one in self._reservations if one.phase is Phase.SENDING)
            < self._capacity
        )

    def open(self, evict: Callable[[], None]) -> Reservation:
        """Open a reservation for a request that `evict` ends."""
        reservation = Reservation(self, evict)
        self._reservations.append(reservation)
        return reservation

    async def make_room(self, reservation: Reservation, size: int) -> None:
        """Add `size` bytes to a reservation as soon as there is room for them."""
        room = asyncio.get_running_loop().create_future()
        self._waiting[reservation] = size, room
        self._serve()
        started = monotonic()
        try:
            while not room.done():
                if not self.evict_slowest_peer(monotonic() - started, min_bytes=FREE_BYTES):
                    await asyncio.wait({room}, timeout=CHECK_INTERVAL)
        finally:
            if self._waiting.pop(reservation, None) is not None:
                self._serve()

    def settle(self, reservation: Reservation, size: int) -> None:
        """Set a reservation to `size` bytes, after its source is complete or dropped."""
        reservation.size = size
        if self._exceeding is reservation:
            self._exceeding = None
        self._serve()

    def close(self, reservation: Reservation) -> None:
        """Remove a reservation. Closing it again does nothing."""
        if reservation in self._reservations:
            self._reservations.remove(reservation)
            self.settle(reservation, 0)

    def evict_slowest_peer(
        self, waited: float = 0.0, *, min_bytes: int = 0, phase: Phase | None = None
    ) -> bool:
        """Evict the slow request with the longest wait for its peer. Return whether there was one.

        `waited` is how long, in seconds, another request has been waiting for memory. Requests with
        less than `min_bytes` or in another phase than `phase` are spared, because their end would
        not help, and so are requests that wait for memory themselves.
        """
        slow = [
            one
            for one in self._slow_peers(waited)
            if one.size >= min_bytes and phase in (None, one.phase)
        ]
        if not slow:
            return False
        max(slow, key=lambda one: one.transfer.seconds).evict()
        return True

    @property
    def has_slow_peer(self) -> bool:
        """Whether `evict_slowest_peer` would evict a request."""
        return bool(self._slow_peers(0.0))

    def _slow_peers(self, waited: float) -> list[Reservation]:
        return [
            one
            for one in self._reservations
            if one not in self._waiting and one.is_slow(waited >= _WAIT_SECONDS)
        ]

    def _serve(self) -> None:
        """Give memory to the requests that wait, the oldest first, and call `on_change`."""
        is_refused = False  # an older request was refused, so younger ones must wait too
        for reservation in [one for one in self._reservations if one in self._waiting]:
            size, room = self._waiting[reservation]
            if not self._may_pass(reservation, size) and (
                is_refused or not self._fits(reservation, size)
            ):
                is_refused = True
                continue
            del self._waiting[reservation]
            reservation.size += size
            room.set_result(None)
        self.on_change()

    def _may_pass(self, reservation: Reservation, size: int) -> bool:
        """Return whether it need not wait: it may exceed the capacity, or needs few bytes."""
        return reservation is self._exceeding or reservation.size + size <= FREE_BYTES

    def _fits(self, reservation: Reservation, size: int) -> bool:
        """Return whether there is room. If not, the first to ask may exceed the capacity."""
        held = self.held
        if held + size <= self._capacity:
            return True
        if self._exceeding is None and held <= self._capacity:
            self._exceeding = reservation
            return True
        return False
