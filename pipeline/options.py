"""The options of a request."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Passes = Literal["auto", 1, 2]


class Options(BaseModel):
    """What a client may ask for besides the image. An unknown field is an error."""

    model_config = ConfigDict(extra="forbid")

    subject: Literal["largest", "all"] = Field(
        "largest",
        description="`largest`: the largest connected subject. "
        "`all`: every connected part of at least 1 % of the largest one's area.",
    )
    crop: bool = Field(True, description="Whether to crop to the subject.")
    margin: int = Field(
        0, ge=0, le=500, description="Pixels to keep around the subject when cropping."
    )
    output: Literal["cutout", "mask"] = Field(
        "cutout",
        description="`cutout`: the image with transparency. "
        "`mask`: its alpha as an 8-bit grayscale image.",
    )
    edges: Literal["refined", "raw"] = Field(
        "refined",
        description="`refined`: edges follow the image, without background colors. "
        "`raw`: the model's mask, upsampled.",
    )
    passes: Passes = Field(
        "auto",
        description="How often the model looks at the image. `1`: once, at the whole image. `2`: "
        "again, at the part around the subject, unless that is the whole image. `auto`: again if "
        "the subject is small, or the model is unsure of one that does not fill the image. With "
        "`edges=raw`, the default is `1`.",
    )
    max_side: int | None = Field(
        None,
        ge=64,
        le=65_535,
        description="The most pixels on the longer side of the response, which is scaled down to "
        "fit, never up. Without it, the response has the source's resolution.",
    )
    format: Literal["png", "webp", "jpeg"] = Field(
        "png",
        description="`webp` and `jpeg` are lossy, at quality 90. `jpeg` has no transparency: "
        "the cutout is on `background`, or on white.",
    )
    background: str | None = Field(
        None,
        pattern=r"^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$",
        description="A color behind the cutout: `#rgb`, `#rrggbb` or `#rrggbbaa`. "
        "Without it, the background is transparent.",
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_raw_masks(cls, fields: object) -> object:
        """Let raw edges be those of one look, as they are rembg's, unless `passes` is given."""
        if isinstance(fields, dict) and fields.get("edges") == "raw":
            return {"passes": 1, **fields}
        return fields

    @field_validator("passes", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object) -> object:
        """Return a text for a boolean, which is none of the values: Python takes True for 1."""
        return str(value) if isinstance(value, bool) else value
