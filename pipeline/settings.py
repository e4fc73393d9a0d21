"""The settings: environment variables with the prefix BGR_, read once into one typed, frozen object."""

import functools
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from pipeline.errors import StartupError
from pipeline.urls import HostPort

PREFIX = "BGR_"


def available_processors(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many processors this process may keep busy, at least 1.

    The CPU quota of the cgroup (v2: `cpu.max`; v1: `cpu.cfs_quota_us`), rounded up; without one, the processors in this
    process's affinity mask. A container sees its own cgroup at the mount's root.
    """
    for quota_file, period_file in (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = (cgroup / quota_file).read_text().split()
            if period_file is not None:
                words += (cgroup / period_file).read_text().split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):
            continue
        if quota > 0 and period > 0:
            return max(1, math.ceil(quota / period))
    return len(os.sched_getaffinity(0))


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return tuple(entry.strip() for entry in value.split(",") if entry.strip())
    return value


def _host_port(entry: object) -> object:
    if not isinstance(entry, str):
        return entry
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@\[\]]+)):([0-9]{1,5})", entry)
    if match is None or not 0 < int(match[3]) < 65536:
        raise ValueError(f"'{entry}' is not host:port")
    return (match[1] or match[2]).lower(), int(match[3])


class Settings(BaseModel):
    """What a deployment may choose. Sizes in bytes, areas in pixels, times in seconds.

    The names in the environment are these in capitals with the prefix BGR_.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_source_bytes: int = Field(20_000_000, gt=0)
    max_pixels: int = Field(25_000_000, gt=0)
    download_timeout: float = Field(10, gt=0, allow_inf_nan=False)
    deadline: float = Field(25, gt=0, allow_inf_nan=False)
    drain: float = Field(8, ge=0, allow_inf_nan=False)
    max_waiting: int = Field(16, gt=0)
    threads: int = Field(default_factory=available_processors, gt=0)
    allowed_private_hosts: Annotated[
        tuple[Annotated[HostPort, BeforeValidator(_host_port)], ...], BeforeValidator(_comma_separated)
    ] = ()
    api_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_comma_separated)] = ()
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_comma_separated)] = ()
    model: str = Field("u2netp", pattern=r"^(u2netp|rembg:[A-Za-z0-9._-]+)$")
    model_file: Path | None = None


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


@functools.cache
def load_settings() -> Settings:
    """The settings of this process, read from its environment at the first call.

    Raises StartupError as read_settings does.
    """
    return read_settings(os.environ)
