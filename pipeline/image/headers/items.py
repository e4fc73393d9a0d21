"""The items of a meta box: ISO/IEC 14496-12, 8.11; their properties: ISO/IEC 23008-12, 9.3."""

from functools import cached_property

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.isobmff import Box

# Items, extents, properties and references together. The largest grids have about ten thousand.
_MAX_ENTRIES = 100_000


class Items:
    """The items of a meta box. Every method and property raises ImageCorrupt."""

    def __init__(self, meta: Box) -> None:
        self.data = meta.data
        # A meta box is a FullBox: its boxes follow a version and flags.
        self.boxes = Box(meta.data, b"", meta.start + 4, meta.end)
        self._left_entries = _MAX_ENTRIES

    def counted(self, entries: int) -> range:
        """Return a range of `entries`, if all tables together stay within bounds."""
        self._left_entries -= entries
        if self._left_entries < 0:
            raise ImageCorrupt
        return range(entries)

    @property
    def primary(self) -> int:
        """The number of the primary item."""
        version, _, reader = self.boxes.one(b"pitm").full()
        return reader.number(4 if version else 2)

    @cached_property
    def properties(self) -> dict[int, list[Box]]:
        """The properties of each item, in the order of their association."""
        box = self.boxes.one(b"iprp")
        choices = box.one(b"ipco").boxes()
        properties: dict[int, list[Box]] = {}
        for associations in box.all(b"ipma"):
            version, flags, reader = associations.full()
            for _ in self.counted(reader.number(4)):
                of_item = properties.setdefault(reader.number(4 if version else 2), [])
                for _ in self.counted(reader.number(1)):
                    # The first bit marks an essential property.
                    index = reader.number(2) & 0x7FFF if flags & 1 else reader.number(1) & 0x7F
                    if index > len(choices):
                        raise ImageCorrupt
                    of_item += choices[index - 1 : index] if index else []
        return properties

    def size_of(self, item: int) -> tuple[int, int] | None:
        """Return the largest width and height that an item declares (ispe), or None."""
        readers = [box.full()[2] for box in self.properties.get(item, []) if box.kind == b"ispe"]
        sizes = [(reader.number(4), reader.number(4)) for reader in readers]
        return max(sizes, key=lambda size: size[0] * size[1], default=None)
