"""The check of private APIs: the first that is missing is named in one sentence."""

import pytest

from compat import MovedError, require


def fail() -> bool:
    raise AttributeError("gone")


def test_probes_that_succeed_pass() -> None:
    require("Library", "1.2", {})
    require("Library", "1.2", {"one": lambda: True, "other": lambda: True})


@pytest.mark.parametrize("probe", [fail, lambda: False])
def test_the_first_probe_that_does_not_is_named(probe: object) -> None:
    probes = {"one": lambda: True, "other": probe, "third": fail}
    with pytest.raises(MovedError) as caught:
        require("Library", "1.2", probes)  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert sentence.startswith("Library 1.2 ")
    assert ": other; " in sentence
    assert sentence.endswith("install the locked version.")
    assert isinstance(caught.value.__cause__, AttributeError) == (probe is fail)
