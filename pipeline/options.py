"""What a caller may ask of one picture, besides the picture itself."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """The options of a request, as the contract names them; an unknown field is refused."""

    model_config = ConfigDict(extra="forbid")

    subject: Literal["largest", "all"] = Field(
        "largest",
        description="`largest`: the largest connected subject. `all`: every part of at least 1 % of the largest one's area.",
    )
    crop: bool = Field(True, description="Whether to crop to the subject.")
    margin: int = Field(0, ge=0, le=500, description="Pixels kept around the subject when cropping.")
    output: Literal["cutout", "mask"] = Field(
        "cutout", description="`cutout`: the picture with transparency. `mask`: its alpha as an 8-bit grey picture."
    )
    edges: Literal["refined", "raw"] = Field(
        "refined",
        description="`refined`: sharpened by the picture, in the foreground's own colours. `raw`: the model's mask, enlarged.",
    )
    format: Literal["png", "webp"] = Field("png", description="`webp` is lossy at quality 90.")
    background: str | None = Field(
        None,
        pattern=r"^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$",
        description="A colour behind the cutout, `#rgb`, `#rrggbb` or `#rrggbbaa`; none for transparency.",
    )
