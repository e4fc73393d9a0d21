"""remove.bg's parameters: every value of their table, in every text form, and the plan for it."""

from typing import Any

import pytest

from pipeline.canvas.plan import TRANSPARENT, Length, Margins, Plan, Shadow
from pipeline.image.box import Box
from serving.removebg.errors import InvalidParameter
from serving.removebg.parameters import SIZES, parse_parameters

PX = Length(10, False)


def plan(has_backdrop: bool = False, **fields: Any) -> Plan:
    """Return the plan of a request with these fields."""
    return parse_parameters(fields).plan(has_backdrop)


def test_the_defaults_are_theirs() -> None:
    assert plan() == Plan(max_pixels=250_000)
    assert parse_parameters({}).shown_type == "other"


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        *(("preview", 250_000), ("small", 250_000), ("regular", 250_000), ("Medium", 1_500_000)),
        *(("hd", 4_000_000), ("full", 25_000_000), ("4K", 25_000_000), ("auto", 25_000_000)),
        ("50mp", 50_000_000),
    ],
)
def test_a_size_is_a_number_of_pixels_within_its_format(size: str, pixels: int) -> None:
    assert plan(size=size, format="zip").max_pixels == pixels
    assert plan(size=size, format="jpg").max_pixels == pixels
    assert plan(size=size, format="png").max_pixels == min(pixels, 10_000_000)
    assert plan(size=size, format="webp").max_pixels == min(pixels, 6_000_000)
    assert plan(size=size).max_pixels == min(pixels, 10_000_000)
    assert plan(size=size, bg_color="fff").max_pixels == pixels
    assert plan(True, size=size).max_pixels == pixels


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((value, True) for value in (True, "true", "True", "TRUE", "1", 1)),
        *((value, False) for value in (False, "false", "False", "0", 0)),
    ],
)
def test_booleans_are_read_in_every_form(value: object, expected: bool) -> None:
    assert (plan(crop=value).margins is not None) == expected
    assert plan(semitransparency=value).is_solid == (not expected)
    assert (plan(add_shadow=value, type="car").shadow is not None) == expected


@pytest.mark.parametrize(
    ("given", "kind"),
    [("auto", "auto"), ("PNG", "png"), ("jpg", "jpeg"), ("webp", "webp"), ("zip", "zip")],
)
def test_formats(given: str, kind: str) -> None:
    assert plan(format=given).format == kind


@pytest.mark.parametrize(
    ("text", "margins"),
    [
        ("10px", Margins(PX, PX, PX, PX)),
        ("10", Margins(PX, PX, PX, PX)),
        (10, Margins(PX, PX, PX, PX)),
        ("10% 5px", Margins(*[Length(10, True), Length(5, False)] * 2)),
        (
            "1,2,3,50%",
            Margins(Length(1, False), Length(2, False), Length(3, False), Length(50, True)),
        ),
        ("500px 0", Margins(*[Length(500, False), Length(0, False)] * 2)),
    ],
)
def test_margins_count_only_with_crop(text: object, margins: Margins) -> None:
    assert plan(crop_margin=text, crop=True).margins == margins
    assert plan(crop_margin=text).margins is None


@pytest.mark.parametrize(
    ("fields", "scale", "position"),
    [
        ({"scale": "original"}, None, None),
        ({"scale": "50%"}, 0.5, (0.5, 0.5)),
        ({"scale": 100}, 1.0, (0.5, 0.5)),
        ({"scale": "10%", "position": "original"}, 0.1, None),
        ({"scale": "10%", "position": "0%"}, 0.1, (0.0, 0.0)),
        ({"position": "center"}, None, (0.5, 0.5)),
        ({"position": "100% 25%"}, None, (1.0, 0.25)),
        ({"position": "original"}, None, None),
    ],
)
def test_a_scale_implies_the_center(
    fields: dict[str, Any], scale: float | None, position: tuple[float, float] | None
) -> None:
    found = plan(**fields)
    assert (found.scale, found.position) == (scale, position)


@pytest.mark.parametrize(
    ("text", "color"),
    [
        *((text, (255, 0, 0, 255)) for text in ("f00", "#F00", "ff0000", "#ff0000", "Red")),
        ("f008", (255, 0, 0, 136)),
        ("#ff000080", (255, 0, 0, 128)),
        ("ff000000", (255, 0, 0, 0)),
    ],
)
def test_colors(text: str, color: tuple[int, ...]) -> None:
    assert plan(bg_color=text).color == color
    assert plan().color == TRANSPARENT


@pytest.mark.parametrize(
    ("fields", "shadow"),
    [
        ({"shadow_type": "none"}, None),
        ({"shadow_type": "drop"}, Shadow("drop", 0.5)),
        ({"shadow_type": "3d", "shadow_opacity": 100}, Shadow("3d", 1.0)),
        ({"shadow_type": "car", "shadow_opacity": "0"}, Shadow("car", 0.0)),
        ({"shadow_type": "car", "type": "car"}, Shadow("car", 0.9)),
        ({"shadow_type": "auto", "type": "car", "shadow_opacity": "auto"}, Shadow("car", 0.9)),
        ({"shadow_type": "auto", "type": "person"}, Shadow("3d", 0.5)),
        ({"shadow_type": "auto"}, Shadow("drop", 0.5)),
        ({"shadow_type[car]": "drop", "type": "car"}, Shadow("drop", 0.9)),
        ({"shadow_type[car]": "drop", "type": "person"}, None),
        ({"shadow_type[other]": "drop", "shadow_opacity[other]": "20"}, Shadow("drop", 0.2)),
        ({"add_shadow": "true"}, None),
        ({"add_shadow": "true", "type": "car"}, Shadow("car", 0.9)),
    ],
)
def test_shadows(fields: dict[str, Any], shadow: Shadow | None) -> None:
    assert plan(**fields).shadow == shadow


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"type": "auto"}, "other"),
        ({"type": "Person"}, "person"),
        ({"type": "car", "type_level": 2}, "car"),
        ({"type": "a name of their own"}, "other"),
        ({"type": "car", "type_level": "none"}, None),
        ({"type_level": "latest"}, "other"),
    ],
)
def test_a_type_is_echoed(fields: dict[str, Any], shown: str | None) -> None:
    assert parse_parameters(fields).shown_type == shown


@pytest.mark.parametrize("fields", [{"channels": "alpha"}, {"channels": "ALPHA"}])
def test_channels(fields: dict[str, Any]) -> None:
    assert plan(**fields).is_alpha_only
    assert not plan(channels="rgba").is_alpha_only


def test_unknown_fields_are_ignored() -> None:
    assert plan(user_agent="a plugin", by_type=3) == plan()


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("0% 0% 100% 100%", Box(0, 0, 200, 100)),
        ("0 0 200 100", Box(0, 0, 200, 100)),
        ("150px 80px 50px 20px", Box(50, 20, 100, 60)),
        ("25% 10px, 75% 50%", Box(50, 10, 100, 40)),
    ],
)
def test_a_region_may_have_its_corners_in_any_order(text: str, box: Box) -> None:
    find = plan(roi=text).find_region
    assert find is not None
    assert find((200, 100)) == box


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0 0 201px 100px", "roi_exceeds_bounds"),
        ("0 0 100% 101%", "roi_exceeds_bounds"),
        ("0 500px 10 10", "roi_exceeds_bounds"),
        ("10 10 10 50", "roi_region_empty"),
        ("0% 50% 100% 50%", "roi_region_empty"),
    ],
)
def test_a_region_must_fit_the_image(text: str, code: str) -> None:
    find = plan(roi=text).find_region
    assert find is not None
    with pytest.raises(InvalidParameter) as caught:
        find((200, 100))
    assert caught.value.answer.code == code


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "size": ["huge", 5, True],
        "format": ["gif", {}],
        "channels": ["rgb"],
        "roi": ["0 0 10", "0 0 10 10 10", "a b c d", "-1 0 10 10", "1em 0 10 10"],
        "crop": ["maybe", [], 2],
        "crop_margin": ["51%", "501px", "1 2 3", "1 2 3 4 5", "-1px", "x", False],
        "scale": ["9%", "101%", "x", "50px", "-50%"],
        "position": ["left", "101%", "1 2 3", "-1%"],
        "bg_color": ["12", "12345", "no color", "#ggg"],
        "semitransparency": ["x"],
        "shadow_type": ["round"],
        "shadow_opacity": ["101", "-1", "x"],
        "add_shadow": ["x"],
        "type_level": ["3"],
    }.items(),
)
def test_what_cannot_be_read_is_named(name: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(InvalidParameter, match=rf"^{name}: [^\n]+\.$") as caught:
            parse_parameters({name: value})
        assert caught.value.answer.code == f"invalid_{name}", value
        assert caught.value.__cause__ is None  # it would have the value


def test_every_size_is_tested() -> None:
    assert len(SIZES) == 9
