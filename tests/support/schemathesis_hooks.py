"""Schemathesis hooks: what it cannot know about the service. Its command line loads this module.

By the schema any file and any URL are valid, so a valid request gets a real image. No invented host
may be resolved: a URL that the service would resolve is replaced by one that it rejects. A form
cannot express an array of fewer than two values, so an invalid array gets two.
"""

import os
from typing import Any

import schemathesis
from hypothesis import strategies

from pipeline.errors import BackgroundRemovalError
from pipeline.fetch.url import parse_source_url
from pipeline.weights import SAMPLE
from serving.runtime import REMOVEBG_ENDPOINT

IMAGE_URL = "TEST_IMAGE_URL"


schemathesis.openapi.format("binary", strategies.just(SAMPLE.read_bytes()))


@schemathesis.hook
def before_call(
    _: schemathesis.HookContext, case: schemathesis.Case[Any], __: dict[str, Any]
) -> None:
    """Give valid requests a real image, and keep invalid ones invalid and local."""
    if not isinstance(case.body, dict):
        return
    is_positive = case.meta is not None and case.meta.generation.mode.is_positive
    if is_positive and case.path == REMOVEBG_ENDPOINT:
        # The schema cannot say that one source is needed, and that one background is allowed.
        others = {name: value for name, value in case.body.items() if "image_" not in name}
        case.body = {**others, "image_url": os.environ[IMAGE_URL]}
        return
    if is_positive:
        if "image_url" in case.body:
            case.body = {**case.body, "image_url": os.environ[IMAGE_URL]}
        return
    if case.media_type == "multipart/form-data":
        case.body = {name: _as_form_values(value) for name, value in case.body.items()}
    for name in ("image_url", "bg_image_url"):
        if _may_be_resolved(case.body.get(name)):
            case.body = {**case.body, name: "http://127.0.0.1/"}


def _as_form_values(value: Any) -> Any:
    return [*value, "x", "x"][:2] if isinstance(value, list) and len(value) < 2 else value


def _may_be_resolved(url: object) -> bool:
    try:
        return isinstance(url, str) and parse_source_url(url).address is None
    except BackgroundRemovalError:
        return False
