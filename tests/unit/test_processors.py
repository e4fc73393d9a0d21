"""The CPU quota in files of a cgroup, and the affinity mask without one."""

from pathlib import Path

import pytest

from pipeline.processors import available_processors

V1 = ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")


def cgroup(folder: Path, files: dict[str, str]) -> Path:
    """Write the files of a cgroup."""
    (folder / "cpu").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "1000 100000\n"}, 1),
        ({V1[0]: "400000\n", V1[1]: "100000\n"}, 4),
        ({"cpu.max": "max 100000\n", V1[0]: "210000\n", V1[1]: "100000\n"}, 3),
    ],
)
def test_a_quota_is_rounded_up(tmp_path: Path, files: dict[str, str], processors: int) -> None:
    assert available_processors(cgroup(tmp_path, files)) == processors


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000\n"},
        {"cpu.max": ""},
        {"cpu.max": "x y"},
        {"cpu.max": "100000 0"},
        {V1[0]: "-1\n", V1[1]: "100000\n"},
        {V1[0]: "100000\n"},
    ],
)
def test_without_a_quota_the_affinity_mask_counts(
    tmp_path: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5})
    assert available_processors(cgroup(tmp_path, files)) == 3
