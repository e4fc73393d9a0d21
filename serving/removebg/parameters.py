"""remove.bg's parameters: their names, text forms and defaults, and the plan that they ask for.

An unknown field is ignored, as remove.bg does, because its clients send fields of their own.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from pipeline.canvas.plan import (
    RGBA,
    TRANSPARENT,
    Format,
    Length,
    Margins,
    Plan,
    Shadow,
    ShadowKind,
)
from pipeline.image.box import Box, Size
from serving.removebg.errors import InvalidParameter

# The sizes, in pixels of the whole image (remove.bg's documentation of `size`).
SIZES: dict[str, int] = {
    "preview": 250_000,
    "small": 250_000,
    "regular": 250_000,
    "medium": 1_500_000,
    "hd": 4_000_000,
    "full": 25_000_000,
    "4k": 25_000_000,
    "auto": 25_000_000,
    "50MP": 50_000_000,
}
# remove.bg limits a PNG to 10 megapixels. A WebP is limited by the memory that encoding it takes.
FORMAT_LIMITS: dict[str, int] = {"png": 10_000_000, "webp": 6_000_000}
FORMATS: dict[str, Format] = {
    "auto": "auto",
    "png": "png",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "webp": "webp",
    "zip": "zip",
}
CHANNELS = ("rgba", "alpha")
TYPES = (
    *("auto", "person", "product", "car", "animal", "graphic", "transportation", "other"),
    *("car_interior", "car_part", "graphics"),  # of type_level 2
)
SHADOWS: dict[str, ShadowKind | None] = {"none": None, "drop": "drop", "3D": "3d", "car": "car"}
# What `shadow_type=auto` chooses, and the opacity in percent, by type.
_AUTO_SHADOWS: dict[str, ShadowKind] = {"car": "car", "person": "3d", "transportation": "3d"}
_OPACITIES = {"car": 90.0}
_DEFAULT_OPACITY = 50.0

MAX_MARGIN_PIXELS, MAX_MARGIN_PERCENT = 500, 50
MIN_SCALE = 10

_LENGTH = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(px|%)?")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%?")
_HEX_COLOR = re.compile(r"#?((?:[0-9a-fA-F]{3}){1,2}|(?:[0-9a-fA-F]{4}){1,2})")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_CENTER = (0.5, 0.5)


def _text(value: object) -> str:
    """Return the text of a value: a form has no other, and JSON may have a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("it must be text")
    return str(value).strip()


def _boolean(value: object) -> bool:
    text = str(value).strip().lower()
    if isinstance(value, dict | list) or text not in _BOOLEANS:
        raise ValueError("it must be true or false")
    return _BOOLEANS[text]


def _choice(names: Mapping[str, Any]) -> BeforeValidator:
    """Return a validator that finds one of `names`, in any case, and returns its value."""
    by_name = {name.lower(): value for name, value in names.items()}

    def choose(value: object) -> Any:
        text = _text(value).lower()
        if text not in by_name:
            raise ValueError(f"it must be one of {', '.join(names)}")
        return by_name[text]

    return BeforeValidator(choose)


def _type(value: object) -> str:
    """Return a type of subject, or `auto`: it is a hint, and clients send names of their own."""
    text = _text(value).lower()
    return text if text in TYPES else "auto"


def _lengths(text: str) -> list[Length]:
    found = [_LENGTH.fullmatch(part) for part in re.split(r"[\s,]+", text)]
    if None in found:
        raise ValueError("each value must be in pixels (10px) or percent (10%)")
    return [Length(float(match[1]), match[2] == "%") for match in found if match]


def _region(value: object) -> tuple[Length, ...]:
    lengths = _lengths(_text(value))
    if len(lengths) != 4:
        raise ValueError("it must have four values, x1 y1 x2 y2")
    return tuple(lengths)


def _margins(value: object) -> Margins:
    lengths = _lengths(_text(value))
    if len(lengths) not in (1, 2, 4):
        raise ValueError("it must have one, two or four values")
    for one in lengths:
        if one.value > (MAX_MARGIN_PERCENT if one.is_percent else MAX_MARGIN_PIXELS):
            raise ValueError(f"a margin may be {MAX_MARGIN_PIXELS}px or {MAX_MARGIN_PERCENT}%")
    # Both fill up one value, or two, to four: top, right, bottom, left.
    top, right, bottom, left = (lengths * 4)[:4]
    return Margins(top, right, bottom, left)


def _percent(text: str) -> float:
    match = _PERCENT.fullmatch(text)
    if match is None or float(match[1]) > 100:
        raise ValueError("it must be a percentage up to 100%")
    return float(match[1])


def _scale(value: object) -> float | None:
    if (text := _text(value).lower()) == "original":
        return None
    if (percent := _percent(text)) < MIN_SCALE:
        raise ValueError(f"it must be original, or {MIN_SCALE}% to 100%")
    return percent / 100


def _position(value: object) -> tuple[float, float] | None:
    text = _text(value).lower()
    if text in ("original", "center"):
        return _CENTER if text == "center" else None
    shares = [_percent(part) / 100 for part in re.split(r"[\s,]+", text)]
    if len(shares) > 2:
        raise ValueError("it must be original, center, or one or two percentages")
    return shares[0], shares[-1]


def _color(value: object) -> RGBA:
    from PIL import ImageColor  # the supervisor imports this module, and does not need Pillow

    text = _text(value).lower()
    if match := _HEX_COLOR.fullmatch(text):
        text = f"#{match[1]}"
    elif text not in ImageColor.colormap:
        raise ValueError("it must be a hex color of 3, 4, 6 or 8 digits, or a color's name")
    red, green, blue, *alpha = ImageColor.getrgb(text)
    return red, green, blue, alpha[0] if alpha else 255


def _opacity(value: object) -> float | None:
    text = _text(value).lower()
    return None if text == "auto" else _percent(text)


_Size = Annotated[str, _choice({name: name for name in SIZES})]
_Format = Annotated[Format, _choice(FORMATS)]
_Channels = Annotated[str, _choice({name: name for name in CHANNELS})]
_Boolean = Annotated[bool, BeforeValidator(_boolean)]
_TypeLevel = Annotated[str, _choice({name: name for name in ("none", "1", "2", "latest")})]
_ShadowType = Annotated[str, _choice({name: name for name in (*SHADOWS, "auto")})]


class Parameters(BaseModel):
    """A request's parameters besides its image, as remove.bg names them."""

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)

    size: _Size = "preview"
    type: Annotated[str, BeforeValidator(_type)] = "auto"
    type_level: _TypeLevel = "1"
    format: _Format = "auto"
    roi: Annotated[tuple[Length, ...] | None, BeforeValidator(_region)] = None
    crop: _Boolean = False
    crop_margin: Annotated[Margins | None, BeforeValidator(_margins)] = None
    scale: Annotated[float | None, BeforeValidator(_scale)] = None
    position: Annotated[tuple[float, float] | None, BeforeValidator(_position)] = None
    channels: _Channels = "rgba"
    bg_color: Annotated[RGBA, BeforeValidator(_color)] = TRANSPARENT
    bg_image_url: Annotated[str | None, BeforeValidator(_text)] = None
    semitransparency: _Boolean = True
    shadow_type: _ShadowType = "none"
    shadow_opacity: Annotated[float | None, BeforeValidator(_opacity)] = None
    add_shadow: _Boolean = False
    image_url: Annotated[str | None, BeforeValidator(_text)] = None

    @property
    def shown_type(self) -> str | None:
        """The value of X-Type: the type that the client gave, as none is detected."""
        if self.type_level == "none":
            return None
        return self.type if self.type != "auto" else "other"

    def plan(self, has_backdrop: bool) -> Plan:
        """Return what the pipeline does. `has_backdrop` tells whether there is a background image.

        Cropping keeps the subject's own place, and a scale centers it, unless a position is given.
        """
        is_opaque = has_backdrop or self.bg_color[3] == 255
        position = self.position
        if self.scale is not None and "position" not in self.model_fields_set:
            position = _CENTER
        region = self.roi
        margins = None
        if self.crop:
            margins = self.crop_margin or _margins("0")
        written = self.format if self.format != "auto" else "jpeg" if is_opaque else "png"
        return Plan(
            max_pixels=min(SIZES[self.size], FORMAT_LIMITS.get(written, SIZES[self.size])),
            find_region=None if region is None else lambda size: _find_region(region, size),
            margins=margins,
            scale=self.scale,
            position=position,
            is_solid=not self.semitransparency,
            shadow=self._shadow(),
            color=self.bg_color,
            is_alpha_only=self.channels == "alpha",
            format=self.format,
        )

    def _shadow(self) -> Shadow | None:
        subject = self.type if self.type != "auto" else "other"
        name = self.shadow_type
        if name == "none" and self.add_shadow and subject == "car":
            name = "car"
        kind = _AUTO_SHADOWS.get(subject, "drop") if name == "auto" else SHADOWS[name]
        if kind is None:
            return None
        opacity = self.shadow_opacity
        if opacity is None:
            opacity = _OPACITIES.get(subject, _DEFAULT_OPACITY)
        return Shadow(kind, opacity / 100)


def parse_parameters(fields: Mapping[str, Any]) -> Parameters:
    """Read the parameters among the fields. Raises InvalidParameter, which names the first."""
    try:
        return Parameters.model_validate(_without_types(fields))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        # Not as the cause: its text contains the value.
        raise InvalidParameter(f"invalid_{first['loc'][0]}", str(first["loc"][0]), reason) from None


def _without_types(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Apply the fields for one type, such as `shadow_type[car]`, if the request has that type."""
    found = dict(fields)
    for name in ("shadow_type", "shadow_opacity"):
        kind = str(fields.get("type", "auto")).lower()
        value = fields.get(f"{name}[{'other' if kind == 'auto' else kind}]")
        if value is not None:
            found.setdefault(name, value)
    return found


def _find_region(region: tuple[Length, ...], size: Size) -> Box:
    """Return the region of an image of a size, whichever corners are given.

    Raises InvalidParameter if it exceeds the image or is empty.
    """
    sides = (*size, *size)
    if any(length.of(side) > side for length, side in zip(region, sides, strict=True)):
        raise InvalidParameter("roi_exceeds_bounds", "roi", "it exceeds the image")
    x1, y1, x2, y2 = (round(length.of(side)) for length, side in zip(region, sides, strict=True))
    if x1 == x2 or y1 == y2:
        raise InvalidParameter("roi_region_empty", "roi", "it is empty")
    return Box.between(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
