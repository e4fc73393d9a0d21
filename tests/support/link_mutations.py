"""Mutations of a signed query, and which of them are the same request."""

from urllib.parse import quote, unquote

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from serving.links.signature import signed_url

KEY = b"k" * 32

_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FIELDS: SearchStrategy[dict[str, str]] = st.dictionaries(
    st.sampled_from(["crop", "margin", "format", "expires", "signatures", "é"]), _TEXT, max_size=4
).map(lambda fields: {"image_url": "http://example.com/a b.jpg?x=1", **fields})

Pairs = list[tuple[str, str]]  # raw: not decoded


def signed_query(fields: dict[str, str]) -> str:
    """Return the query of a link."""
    return signed_url("", KEY, fields).partition("?")[2]


def is_same(query: str, other: str) -> bool:
    """Return whether two queries have the same parameters, each once, by a parser of its own."""
    try:
        first, second = (
            sorted(
                [unquote(part, errors="strict") for part in pair.split("=", 1)]
                for pair in text.split("&")
            )
            for text in (query, other)
        )
    except UnicodeDecodeError:
        return False
    return first == second


@st.composite
def mutated(draw: DrawFn, query: str) -> str:
    """Add, remove, repeat, reorder, re-encode or change parameters, one to three times."""
    pairs: Pairs = [
        (name, value) for name, _, value in (part.partition("=") for part in query.split("&"))
    ]
    for _ in range(draw(st.integers(1, 3))):
        pairs = draw(st.sampled_from(_MUTATIONS))(draw, pairs)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _add(draw: DrawFn, pairs: Pairs) -> Pairs:
    name = draw(st.sampled_from(["crop", "x", "Signature", "expires", "image_url", ""]))
    return _insert(draw, pairs, (name, quote(draw(_TEXT), safe="")))


def _repeat(draw: DrawFn, pairs: Pairs) -> Pairs:
    return _insert(draw, pairs, draw(st.sampled_from(pairs))) if pairs else pairs


def _insert(draw: DrawFn, pairs: Pairs, pair: tuple[str, str]) -> Pairs:
    place = draw(st.integers(0, len(pairs)))
    return [*pairs[:place], pair, *pairs[place:]]


def _remove(draw: DrawFn, pairs: Pairs) -> Pairs:
    left = [*pairs]
    if len(left) > 1:
        left.pop(draw(st.integers(0, len(left) - 1)))
    return left


def _reorder(draw: DrawFn, pairs: Pairs) -> Pairs:
    return draw(st.permutations(pairs))


def _change(draw: DrawFn, pairs: Pairs) -> Pairs:
    """Change one name or value: its encoding, its case, or one bit of one character."""
    at, part = draw(st.integers(0, len(pairs) - 1)), draw(st.integers(0, 1))
    text = pairs[at][part]
    if not text:
        return pairs
    place = draw(st.integers(0, len(text) - 1))
    letter = text[place]
    replaced = draw(
        st.sampled_from(
            [
                f"%{ord(letter):02x}" if letter != "%" else letter,
                f"%{ord(letter):02X}" if letter != "%" else letter,
                letter.swapcase(),
                *(chr(ord(letter) ^ 1 << bit) for bit in range(7)),
            ]
        )
    )
    if replaced in "&=+#":
        return pairs
    changed = [*pairs[at]]
    changed[part] = text[:place] + replaced + text[place + 1 :]
    return [*pairs[:at], (changed[0], changed[1]), *pairs[at + 1 :]]


_MUTATIONS = [_add, _repeat, _remove, _reorder, _change, _change, _change]
