"""The settings: environment variables with the prefix BGR_, read into one typed, frozen object."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.sources.utils import parse_env_vars

from pipeline.errors import BackgroundRemovalError, StartupError
from pipeline.fetch.url import HostPort, normalize_host
from pipeline.processors import available_processors
from serving.links.signature import MIN_KEY_BYTES

PREFIX = "BGR_"

# The default time for a download, in seconds, if the deadline of the request allows that much.
DOWNLOAD_TIMEOUT = 10.0

# A larger number of threads is a typing error.
_MAX_THREADS = 1_024

_DEFAULT_PORTS = {"http": "80", "https": "443"}


def _split_list(value: object) -> object:
    """Split a comma-separated list."""
    if not isinstance(value, str):
        return value
    entries = tuple(entry.strip() for entry in value.split(",") if entry.strip())
    # A template with its secrets missing must not open the service.
    if value.strip() and not entries:
        raise ValueError("the list has no entry; leave the variable empty for none")
    return entries


def _parse_host_port(entry: object) -> object:
    """Parse `host:port`, and normalize the host as that of a URL."""
    if not isinstance(entry, str):
        return entry
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):([0-9]{1,5})", entry)
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError(f"'{entry}' is not host:port")
    try:
        return normalize_host(match[1]), int(match[2])
    except BackgroundRemovalError:
        raise ValueError(f"'{match[1]}' is not a host name or an address") from None


def _check_api_key(key: SecretStr) -> SecretStr:
    # A key is sent as a header value, which has no control characters (RFC 9110, 5.5).
    if not key.get_secret_value().isprintable():
        raise ValueError("a key must not contain control characters")
    return key


def _check_url_key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < MIN_KEY_BYTES:
        raise ValueError(f"a key must have at least {MIN_KEY_BYTES} bytes")
    return key


def _check_origin(origin: str) -> str:
    """Return an origin if a browser can send it (RFC 6454, 6.2).

    That is a scheme, a host in lower-case ASCII, and a port unless it is the scheme's default.
    """
    if origin in ("*", "null"):
        return origin
    match = re.fullmatch(
        r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?", origin
    )
    if match is not None:
        scheme, _, port = match.groups()
        if port is None or (int(port) < 65536 and port != _DEFAULT_PORTS.get(scheme)):
            return origin
    raise ValueError(
        f"'{origin}' is not an origin as browsers send it: scheme and host in lower case, "
        "without a path or the scheme's default port, like https://app.example.com"
    )


def _default_download_timeout(validated: dict[str, float]) -> float:
    return min(DOWNLOAD_TIMEOUT, validated["deadline"])


# NoDecode: pydantic-settings would otherwise expect lists as JSON.
_List = (NoDecode, BeforeValidator(_split_list))


class Settings(BaseSettings):
    """What a deployment may configure. Sizes in bytes, areas in pixels, times in seconds.

    The variable of a field is its name in capitals with the prefix BGR_. `Settings()` has the
    defaults; only `read_settings` reads an environment.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    max_source_bytes: int = Field(22_000_000, gt=0)
    max_pixels: int = Field(50_000_000, gt=0)
    deadline: float = Field(25, gt=0, allow_inf_nan=False)
    download_timeout: float = Field(
        default_factory=_default_download_timeout, gt=0, allow_inf_nan=False
    )
    drain: float = Field(8, ge=0, allow_inf_nan=False)
    max_waiting: int = Field(16, gt=0)
    threads: int = Field(default_factory=available_processors, gt=0, le=_MAX_THREADS)
    allowed_private_hosts: Annotated[
        tuple[Annotated[HostPort, BeforeValidator(_parse_host_port)], ...], *_List
    ] = ()
    api_keys: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_check_api_key)], ...], *_List
    ] = ()
    url_keys: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_check_url_key)], ...], *_List
    ] = ()
    cache_seconds: int = Field(86_400, ge=0)
    cors_origins: Annotated[tuple[Annotated[str, AfterValidator(_check_origin)], ...], *_List] = ()
    removebg: Literal["on", "off"] = "on"
    model: str = Field("u2netp", pattern=r"^(u2netp|rembg:[A-Za-z0-9._-]+)$")
    model_file: Path | None = None

    @property
    def slots(self) -> int:
        """How many small images may be processed at once, each on its share of `threads`.

        1 with a single thread, and with rembg's models, which would be in memory twice.
        """
        return 1 if self.threads == 1 or self.model != "u2netp" else 2

    @field_validator("download_timeout")
    @classmethod
    def _check_deadline(cls, seconds: float, info: ValidationInfo) -> float:
        if seconds > info.data.get("deadline", seconds):
            raise ValueError("a download cannot take longer than the request, BGR_DEADLINE")
        return seconds

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the constructor alone: `read_settings` passes the environment's."""
        return (init_settings,)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Build the settings from environment variables; an empty variable counts as unset.

    Raises StartupError with a sentence that names the first variable with a wrong value.
    """
    source = EnvSettingsSource(Settings)
    source.env_vars = parse_env_vars(environment, ignore_empty=True)
    try:
        return Settings(**source())
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        variable = f"{PREFIX}{first['loc'][0]}".upper()
        raise StartupError(f"The setting {variable} is wrong: {first['msg']}.") from exc
