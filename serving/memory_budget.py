"""The bytes that requests hold: sources until their work, responses until their clients have read them.

One bound stands on the sum. Without it sixteen requests could hold sixteen sources of 20 MB, and clients that read slowly as many
responses as they like. Room is taken as bytes arrive, the oldest request first. Where it is short, slow peers pay: the client or
the source that sends, or the client that reads, too slowly is cut off.
"""

import asyncio
import enum
from collections.abc import Callable
from time import monotonic

# Chosen by measurement (`make bench BENCH="--only limit"`, sixteen images of 24 megapixels at once): the kernel's peak is 446 MB of
# 512, and 468 with 24 MB, in the same time. Five photos of 12 megapixels (3 MB each) wait for the executor: it never waits for one.
CAPACITY = 16_000_000

# The first bytes of each request never wait: a JSON body fits, and sixteen requests hold a megabyte of them.
FREE_BYTES = 64 * 1024

# A peer that takes this long to move this many bytes has stalled, and is cut off as soon as others need its room: one that sends
# under 16 KB a second, or reads under 32 (a response leaves in parts of 64 KB).
STALL_SECONDS = 2.0
_STALL_BYTES = 32 * 1024

# Who has waited this long for room may also cut off a client that has been reading its response, or a peer that has been sending
# at less than the rate, for the patience.
_WAIT_SECONDS = 1.0
PATIENCE = 5.0
_SLOW_BYTES_PER_SECOND = 256 * 1024

# How often a request that waits looks for a slow peer.
LOOK_SECONDS = 0.25


class Transfer:
    """How fast a peer moves bytes: the time we wait for it counts, the time it waits for us does not."""

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
        """Whether the peer has taken too long for its last 32 KB."""
        return self.seconds - self._mark[0] >= STALL_SECONDS

    @property
    def bytes_per_second(self) -> float:
        """The average rate."""
        return self._moved / max(self.seconds, 1e-6)

    def moved(self, size: int) -> None:
        """Count `size` bytes that the peer has moved."""
        self._moved += size
        if self._moved - self._mark[1] >= _STALL_BYTES:
            self._mark = (self.seconds, self._moved)

    def pause(self) -> None:
        """Stop the clock: the peer waits for us."""
        self._seconds, self._waiting_since = self.seconds, None

    def resume(self) -> None:
        """Start the clock: we wait for the peer."""
        self._waiting_since = monotonic()


class Phase(enum.Enum):
    """What a reservation's bytes are."""

    HOLDING = "a source that is complete"
    RECEIVING = "a source that is arriving"
    SENDING = "a response that is leaving"


class Reservation:
    """What one request holds, from its first byte to the end of its response. Made by `MemoryBudget.open`."""

    def __init__(self, budget: "MemoryBudget", evict: Callable[[], None]) -> None:
        self._budget = budget
        self._evict = evict
        self.phase = Phase.RECEIVING
        self.transfer = Transfer()
        self.size = 0

    async def grow(self, size: int) -> None:
        """Hold `size` bytes more of a source; they have arrived. Wait until there is room for them."""
        if self.phase is not Phase.RECEIVING:
            self.phase, self.transfer = Phase.RECEIVING, Transfer()
        self.transfer.moved(size)
        self.transfer.pause()
        await self._budget.make_room(self, size)
        self.transfer.resume()

    def complete(self) -> None:
        """The source is complete: nobody is waited for."""
        self.phase = Phase.HOLDING
        self._budget.settle(self, self.size)

    def release(self) -> None:
        """Hold nothing any more, until more arrives."""
        self.phase = Phase.HOLDING
        self._budget.settle(self, 0)

    def begin_sending(self, size: int) -> None:
        """Hold a response of `size` bytes, and the source no more."""
        self.phase, self.transfer = Phase.SENDING, Transfer()
        self._budget.settle(self, size)

    def ensure_sending(self) -> None:
        """A response begins, of which the size was not told: an error. The source is held no more."""
        if self.phase is not Phase.SENDING:
            self.begin_sending(0)

    def sent(self, size: int) -> None:
        """The client has taken `size` bytes of the response."""
        self.transfer.moved(size)

    def close(self) -> None:
        """Hold nothing, for good."""
        self._budget.close(self)
        self._evict = _nobody

    def evict(self) -> None:
        """End the request, for the sake of others. What it held is free at once."""
        evict = self._evict
        self.close()
        evict()

    def is_slow(self, patience_is_over: bool) -> bool:
        """Whether its peer is so slow that others may have its room."""
        if self.phase is Phase.HOLDING:
            return False
        if self.transfer.has_stalled:
            return True
        if not patience_is_over or self.transfer.seconds < PATIENCE:
            return False
        return (
            self.phase is Phase.SENDING or self.transfer.bytes_per_second < _SLOW_BYTES_PER_SECOND
        )


def _nobody() -> None:
    """Evict a request that has ended."""


class MemoryBudget:
    """All that is held in one worker. All methods belong to the event loop's thread.

    One request at a time, the oldest of those that wait, may exceed the capacity, so that it can always finish: at most
    `capacity` bytes and one source are held before work begins.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """`capacity` in bytes."""
        self._capacity = capacity
        self._reservations: list[Reservation] = []  # the oldest first
        self._waiting: dict[Reservation, tuple[int, asyncio.Future[None]]] = {}
        self._exceeding: Reservation | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def held(self) -> int:
        """The bytes held by all requests together."""
        return sum(reservation.size for reservation in self._reservations)

    @property
    def has_room_for_a_response(self) -> bool:
        """Whether responses that are still being sent leave room for another, whose size is not known yet."""
        return (
            sum(one.size for one in self._reservations if one.phase is Phase.SENDING)
            < self._capacity
        )

    def open(self, evict: Callable[[], None]) -> Reservation:
        """Open the reservation of a request that a client is about to send; `evict` ends that request."""
        reservation = Reservation(self, evict)
        self._reservations.append(reservation)
        return reservation

    async def make_room(self, reservation: Reservation, size: int) -> None:
        """Add `size` bytes to a reservation once there is room for them."""
        room = asyncio.get_running_loop().create_future()
        self._waiting[reservation] = size, room
        self._serve()
        started = monotonic()
        try:
            while not room.done():
                if not self.cut_off_slow_peer(monotonic() - started, least_bytes=FREE_BYTES):
                    await asyncio.wait({room}, timeout=LOOK_SECONDS)
        finally:
            if self._waiting.pop(reservation, None) is not None:
                self._serve()

    def settle(self, reservation: Reservation, size: int) -> None:
        """Make a reservation `size` bytes; nothing more arrives of its source for now."""
        reservation.size = size
        if self._exceeding is reservation:
            self._exceeding = None
        self._serve()

    def close(self, reservation: Reservation) -> None:
        """Remove a reservation. Closing it again does nothing."""
        if reservation in self._reservations:
            self._reservations.remove(reservation)
            self.settle(reservation, 0)

    def cut_off_slow_peer(
        self, waited: float = 0.0, *, least_bytes: int = 0, phase: Phase | None = None
    ) -> bool:
        """Evict the request whose peer we have waited for longest, of those that are too slow. Return whether there was one.

        `waited` is how long, in seconds, somebody has waited for room. Requests that hold less than `least_bytes`, or that are in
        another phase than `phase`, are spared: their end would not help. So are those that wait for room themselves.
        """
        slow = [
            one
            for one in self._reservations
            if one.size >= least_bytes
            and phase in (None, one.phase)
            and one not in self._waiting
            and one.is_slow(waited >= _WAIT_SECONDS)
        ]
        if not slow:
            return False
        max(slow, key=lambda one: one.transfer.seconds).evict()
        return True

    def _serve(self) -> None:
        """Give room to those that wait, the oldest first, and tell of the change."""
        is_refused = False  # an older one was: what is left is not for the younger
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
        """Whether it need not wait for the older ones: the one that may exceed, which must finish, and a few bytes."""
        return reservation is self._exceeding or reservation.size + size <= FREE_BYTES

    def _fits(self, reservation: Reservation, size: int) -> bool:
        """Whether there is room; if there is none, the first to ask may exceed the capacity from now on."""
        held = self.held
        if held + size <= self._capacity:
            return True
        if self._exceeding is None and held <= self._capacity:
            self._exceeding = reservation
            return True
        return False
