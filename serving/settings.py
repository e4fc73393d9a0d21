"""The settings: environment variables with the prefix BGR_, read once into one typed, frozen object."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pipeline.errors import BackgroundRemovalError, StartupError
from pipeline.fetch.url import HostPort, normalize_host
from pipeline.processors import available_processors

PREFIX = "BGR_"

# What a download has where nothing is said, as far as the deadline allows it.
DOWNLOAD_TIMEOUT = 10.0

# More threads than this are a mistyped number.
_MOST_THREADS = 1_024


def _comma_separated(value: object) -> object:
    if not isinstance(value, str):
        return value
    entries = tuple(entry.strip() for entry in value.split(",") if entry.strip())
    if (
        value.strip() and not entries
    ):  # a template whose secrets are missing must not open the service
        raise ValueError("it has no entry; leave it empty for none")
    return entries


def _host_port(entry: object) -> object:
    """`host:port`, the host in the one form that a URL's host is brought to."""
    if not isinstance(entry, str):
        return entry
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):([0-9]{1,5})", entry)
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError(f"'{entry}' is not host:port")
    try:
        return normalize_host(match[1]), int(match[2])
    except BackgroundRemovalError:
        raise ValueError(f"'{match[1]}' is not a host name or an address") from None


def _api_key(key: SecretStr) -> SecretStr:
    # A header's value: RFC 9110, 5.5. What surrounds it is stripped on its way.
    if not key.get_secret_value().isprintable():
        raise ValueError("a key must not hold control characters")
    return key


def _origin(origin: str) -> str:
    """An origin as browsers send it (RFC 6454, 6.2): a scheme, a host in ASCII and lower case, and a port that is not its own."""
    if origin in ("*", "null"):
        return origin
    match = re.fullmatch(
        r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?", origin
    )
    own_port = {"http": "80", "https": "443"}
    if (
        match is None
        or int(match[3] or 0) > 65535
        or (match[3] and match[3] == own_port.get(match[1]))
    ):
        example = "https://app.example.com, without a path, capitals or its scheme's own port"
        raise ValueError(f"'{origin}' is not an origin as browsers send it, like {example}")
    return origin


def _download_timeout(others: dict[str, float]) -> float:
    return min(DOWNLOAD_TIMEOUT, others["deadline"])


class Settings(BaseModel):
    """What a deployment may choose. Sizes in bytes, areas in pixels, times in seconds.

    The names in the environment are these in capitals with the prefix BGR_.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_source_bytes: int = Field(20_000_000, gt=0)
    max_pixels: int = Field(25_000_000, gt=0)
    deadline: float = Field(25, gt=0, allow_inf_nan=False)
    download_timeout: float = Field(default_factory=_download_timeout, gt=0, allow_inf_nan=False)
    drain: float = Field(8, ge=0, allow_inf_nan=False)
    max_waiting: int = Field(16, gt=0)
    threads: int = Field(default_factory=available_processors, gt=0, le=_MOST_THREADS)
    allowed_private_hosts: Annotated[
        tuple[Annotated[HostPort, BeforeValidator(_host_port)], ...],
        BeforeValidator(_comma_separated),
    ] = ()
    api_keys: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_api_key)], ...],
        BeforeValidator(_comma_separated),
    ] = ()
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_comma_separated)
    ] = ()
    model: str = Field("u2netp", pattern=r"^(u2netp|rembg:[A-Za-z0-9._-]+)$")
    model_file: Path | None = None

    @field_validator("download_timeout")
    @classmethod
    def _within_the_deadline(cls, seconds: float, others: ValidationInfo) -> float:
        if seconds > others.data.get("deadline", seconds):
            raise ValueError("a download cannot take longer than the request, BGR_DEADLINE")
        return seconds


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Build the settings from environment variables; an empty variable counts as unset.

    Raises StartupError with a sentence that names the first variable whose value is wrong.
    """
    values = {name: environment.get(PREFIX + name.upper(), "") for name in Settings.model_fields}
    try:
        return Settings.model_validate({name: value for name, value in values.items() if value})
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        variable = f"{PREFIX}{first['loc'][0]}".upper()
        raise StartupError(f"The setting {variable} is wrong: {first['msg']}.") from exc
