"""The bytes that requests hold while others are at work: sources before the lane, answers that their callers have not read yet.

One bound stands on their sum. Without it, sixteen requests may hold sixteen sources of 20 MB, and callers that read slowly as many
answers as they like.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

# Chosen by measurement: sixteen photos of 12 megapixels inside (3 MB each) peak as seven do, and the lane never waits for a source.
# It holds the largest source that is allowed by default.
HELD_BYTES = 24_000_000

# New work waits while unsent answers alone hold this much,
_ANSWER_BYTES = HELD_BYTES // 2
# and an answer that has been under way for this many seconds then makes way.
_PATIENCE = 5.0


class Holding:
    """What one request holds, from its first byte to the end of its answer."""

    def __init__(self, holdings: "Holdings", expiry: asyncio.Timeout) -> None:
        self._holdings = holdings
        self._expiry = expiry
        self._answering_since: float | None = None
        self.size = 0

    @property
    def unsent(self) -> int:
        """The bytes of an answer that is under way."""
        return 0 if self._answering_since is None else self.size

    async def reserve(self, size: int) -> None:
        """Wait until `size` bytes of a source fit beside what the others hold, and hold them.

        What is small does not wait behind what is large; alone, a request may hold any size.
        """
        while self._holdings.held and self._holdings.held + size > HELD_BYTES:
            await self._holdings.change()
        self.hold(size)

    def hold(self, size: int) -> None:
        """Hold `size` bytes of a source instead of what was held before."""
        self.size = size
        self._holdings.changed()

    def answer(self, size: int) -> None:
        """Hold an answer of `size` bytes, and the source no more."""
        self._answering_since = asyncio.get_running_loop().time()
        self.hold(size)

    def make_way(self) -> bool:
        """End the request if its answer has been under way for too long."""
        now = asyncio.get_running_loop().time()
        if self._answering_since is None or now - self._answering_since < _PATIENCE:
            return False
        self._expiry.reschedule(now)
        return True


class Holdings:
    """All that is held in one worker. All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._all: list[Holding] = []
        self._change = asyncio.Event()

    @property
    def held(self) -> int:
        """Bytes held by all requests together."""
        return sum(holding.size for holding in self._all)

    @contextmanager
    def open(self, expiry: asyncio.Timeout) -> Iterator[Holding]:
        """One request's holding, of which nothing is left at the end; `expiry` is what ends the request early."""
        holding = Holding(self, expiry)
        self._all.append(holding)
        try:
            yield holding
        finally:
            self._all.remove(holding)
            self.changed()

    async def room_for_an_answer(self) -> None:
        """Return once unsent answers leave room for another; if none ends by itself, the one longest under way is cut off."""
        while sum(holding.unsent for holding in self._all) >= _ANSWER_BYTES:
            try:
                async with asyncio.timeout(1):
                    await self.change()
            except TimeoutError:
                any(holding.make_way() for holding in self._all)

    async def change(self) -> None:
        """Return once somebody holds something else than now."""
        await self._change.wait()

    def changed(self) -> None:
        """Wake those that wait for a change."""
        self._change.set()
        self._change = asyncio.Event()
