"""The values that each option accepts and refuses."""

import pytest
from pydantic import ValidationError

from pipeline.options import Options

ACCEPTED: dict[str, list[object]] = {
    "subject": ["largest", "all"],
    "crop": [True, False],
    "margin": [0, 1, 500],
    "output": ["cutout", "mask"],
    "edges": ["refined", "raw"],
    "passes": ["auto", 1, 2],
    "max_side": [None, 64, 1000, 65_535],
    "format": ["png", "webp", "jpeg"],
    "background": [None, "#fff", "#A0b1C2", "#00000080"],
}

REFUSED: dict[str, list[object]] = {
    "subject": ["", "Largest", "smallest", None, 1],
    "crop": ["maybe", 2, None],
    "margin": [-1, 501, 1.5, "many", None],
    "output": ["alpha", None],
    "edges": ["soft", None],
    "passes": [0, 3, "1", "twice", True, None],
    "max_side": [0, 63, 65_536, 100.5, "large", True],
    "format": ["jpg", "PNG", "image/png", None],
    "background": ["", "fff", "#ff", "#ffff", "#fffff", "#ggg", "red", "#fff\n", " #fff"],
}


def cases(table: dict[str, list[object]]) -> list[tuple[str, object]]:
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), cases(ACCEPTED))
def test_accepted(name: str, value: object) -> None:
    assert getattr(Options.model_validate({name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), cases(REFUSED))
def test_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({name: value})
    assert {error["loc"] for error in caught.value.errors()} == {(name,)}


def test_the_first_accepted_value_is_the_default() -> None:
    assert ACCEPTED.keys() == REFUSED.keys() == Options.model_fields.keys()
    assert Options().model_dump() == {name: values[0] for name, values in ACCEPTED.items()}


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Options.model_validate({"crops": True})


def test_every_option_is_described() -> None:
    assert all(field.description for field in Options.model_fields.values())


def test_raw_edges_are_those_of_one_look_unless_passes_is_given() -> None:
    assert Options(edges="raw").passes == 1
    assert Options(edges="raw", passes="auto").passes == "auto"
    assert Options(edges="raw", passes=2).passes == 2
    assert Options(edges="refined").passes == Options().passes == "auto"
