"""Whatever is sent to remove.bg's API gets one of its answers, and never a defect."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.removebg import schema
from tests.support.removebg import REMOVEBG, assert_described, assert_failed, send
from tests.support.schemathesis_run import run_schemathesis
from tests.support.serving import Server
from tests.support.source import Source

pytestmark = pytest.mark.usefixtures("unharmed")

DOSES = [5, pytest.param(300, marks=pytest.mark.slow)]


def values_of(name: str) -> st.SearchStrategy[str]:
    """Return texts for a parameter: mostly of its own kind."""
    _, one, _ = schema.PARAMETERS[name]
    listed = [str(value) for value in one.get("enum", []) + one.get("examples", [])]
    own = [st.sampled_from(listed)] if listed else []
    if "pattern" in one:
        pattern: str = one["pattern"]
        own = [st.from_regex(pattern, fullmatch=True)]
    return st.one_of(*own * 5, st.text(st.characters(codec="utf-8"), max_size=20))


PARAMETERS = st.fixed_dictionaries(
    {}, optional={name: values_of(name) for name in schema.PARAMETERS if name != "bg_image_url"}
)


@pytest.mark.parametrize("examples", DOSES)
def test_any_parameters(service: Server, small: bytes, examples: int) -> None:
    codes: set[str] = set()

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(PARAMETERS)
    def check(fields: dict[str, str]) -> None:
        response = send(service, small, fields)
        if response.status_code == 200:
            assert_described(response)
            codes.add("ok")
        else:
            code = response.json()["errors"][0]["code"]
            assert_failed(response, 400, code)
            codes.add(code)

    check()
    assert "ok" in codes
    assert len(codes) > 3


@pytest.mark.parametrize("examples", DOSES)
def test_any_json(service: Server, examples: int) -> None:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    anything = st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
    )
    names = st.sampled_from([*schema.PARAMETERS, "image_file_b64", "image_url", "other"])

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(st.dictionaries(names, anything) | anything)
    def check(body: Any) -> None:
        if isinstance(body, dict):
            body.pop("image_url", None)  # no invented host may be resolved
        headers = {"Content-Type": "application/json"}
        content = json.dumps(body).encode()
        response = service.request("POST", REMOVEBG, content=content, headers=headers)
        assert_failed(response, 400, response.json()["errors"][0]["code"])

    check()


@pytest.mark.parametrize(
    ("examples", "phases"), [(4, "fuzzing"), pytest.param(200, "all", marks=pytest.mark.slow)]
)
def test_schemathesis_finds_no_failure(
    service: Server, source: Source, examples: int, phases: str, tmp_path: Path
) -> None:
    """All checks but those of acceptance: the schema cannot say which fields exclude each other."""
    options = ["--include-path-regex", "^/v1.0/"]
    options += ["--exclude-checks", "positive_data_acceptance,negative_data_rejection"]
    options += [] if phases == "all" else ["--phases", phases]
    lines = run_schemathesis(service, source, tmp_path, examples, *options)
    codes = {line["code"] for line in lines if line.get("path") == REMOVEBG}
    assert {"ok", "invalid_request"} <= codes
