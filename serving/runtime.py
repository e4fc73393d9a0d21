"""What the requests of one worker share: created once and passed down."""

import functools
import os
from collections.abc import Mapping

from opentelemetry import trace

from compat.bentoml import tracer
from compat.uvicorn import Connections
from serving.admission import AdmissionQueue
from serving.api_keys import ApiKeys
from serving.links.signature import URLKeys
from serving.memory_budget import MemoryBudget
from serving.metrics import Metrics
from serving.parsing import UPLOAD_ENDPOINT, URL_ENDPOINT
from serving.settings import Settings, read_settings

REMOVEBG_ENDPOINT = "/v1.0/removebg"


class Runtime:
    """The settings and the objects built from them, each at its first use.

    The supervisor uses the settings only. `settings` raises StartupError if a variable is wrong.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings of this process."""
        return read_settings(self._environment)

    @functools.cached_property
    def api_keys(self) -> ApiKeys:
        """The check of API keys."""
        return ApiKeys(key.get_secret_value() for key in self.settings.api_keys)

    @functools.cached_property
    def url_keys(self) -> URLKeys:
        """The keys of signed links."""
        return URLKeys(key.get_secret_value().encode() for key in self.settings.url_keys)

    @functools.cached_property
    def budget(self) -> MemoryBudget:
        """The memory of sources and responses."""
        return MemoryBudget()

    @functools.cached_property
    def queue(self) -> AdmissionQueue:
        """Admission and the executor."""
        return AdmissionQueue(self.settings.max_waiting, self.budget, self.settings.slots)

    @functools.cached_property
    def connections(self) -> Connections:
        """The server's open connections."""
        return Connections()

    @functools.cached_property
    def metrics(self) -> Metrics:
        """The service's own part of /metrics."""
        return Metrics((URL_ENDPOINT, UPLOAD_ENDPOINT, REMOVEBG_ENDPOINT), self.queue, self.budget)

    @functools.cached_property
    def tracer(self) -> trace.Tracer:
        """The tracer for the spans of steps."""
        return tracer("background_remover")
