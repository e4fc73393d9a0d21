"""What one worker shares between its requests: made once, and handed down."""

import functools
import os
from collections.abc import Mapping

from opentelemetry import trace

from compat.bentoml import tracer
from compat.uvicorn import Connections
from serving.admission import AdmissionQueue
from serving.api_keys import ApiKeys
from serving.memory_budget import MemoryBudget
from serving.metrics import Metrics
from serving.parsing import UPLOAD_ENDPOINT, URL_ENDPOINT
from serving.settings import Settings, read_settings


class Runtime:
    """The settings and what they make, each at its first use: the supervisor makes the settings alone.

    `settings` raises StartupError if a variable is wrong.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings of this process."""
        return read_settings(self._environment)

    @functools.cached_property
    def api_keys(self) -> ApiKeys:
        """Who may call."""
        return ApiKeys(key.get_secret_value() for key in self.settings.api_keys)

    @functools.cached_property
    def budget(self) -> MemoryBudget:
        """The bytes that requests hold."""
        return MemoryBudget()

    @functools.cached_property
    def queue(self) -> AdmissionQueue:
        """Admission and the executor."""
        return AdmissionQueue(self.settings.max_waiting, self.budget)

    @functools.cached_property
    def connections(self) -> Connections:
        """The server's open connections."""
        return Connections()

    @functools.cached_property
    def metrics(self) -> Metrics:
        """Our part of /metrics."""
        return Metrics((URL_ENDPOINT, UPLOAD_ENDPOINT), self.queue, self.budget)

    @functools.cached_property
    def tracer(self) -> trace.Tracer:
        """Makes the steps' spans."""
        return tracer("background_remover")
