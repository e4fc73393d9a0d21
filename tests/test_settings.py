from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.processors import available_processors
from serving.settings import Settings, read_settings

WRONG = {
    "BGR_MAX_SOURCE_BYTES": ["0", "-1", "many", "1.5"],
    "BGR_MAX_PIXELS": ["0", "x"],
    "BGR_DOWNLOAD_TIMEOUT": ["0", "-3", "nan", "inf", "soon"],
    "BGR_DEADLINE": ["0", "x"],
    "BGR_DRAIN": ["-1", "x"],
    "BGR_MAX_WAITING": ["0", "1.2"],
    "BGR_THREADS": ["0", "two"],
    "BGR_ALLOWED_PRIVATE_HOSTS": ["minio", "minio:x", "minio:0", "minio:70000", "http://minio:9000", "a:1,b"],
    "BGR_MODEL": ["isnet", "rembg:", "rembg:../x"],
}


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(StartupError, match=f"{variable} is wrong"):
        read_settings({variable: value})


def test_defaults_and_empty_values() -> None:
    settings = read_settings({"BGR_DEADLINE": "", "OTHER": "x"})
    assert settings == Settings()
    assert (settings.max_source_bytes, settings.max_pixels, settings.max_waiting) == (20_000_000, 25_000_000, 16)
    assert (settings.download_timeout, settings.deadline, settings.drain) == (10, 25, 8)


def test_lists() -> None:
    settings = read_settings(
        {
            "BGR_ALLOWED_PRIVATE_HOSTS": "MinIO:9000, [::1]:80,",
            "BGR_API_KEYS": "key-one,key-two",
            "BGR_CORS_ORIGINS": "https://a.com",
        }
    )
    assert settings.allowed_private_hosts == (("minio", 9000), ("::1", 80))
    assert [key.get_secret_value() for key in settings.api_keys] == ["key-one", "key-two"]
    assert settings.cors_origins == ("https://a.com",)
    assert "key-one" not in repr(settings)


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
    ],
)
def test_processors_follow_the_quota(tmp_path: Path, files: dict[str, str], processors: int) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert available_processors(tmp_path) == processors


@pytest.mark.parametrize("text", ["max 100000", "", "x y"])
def test_without_a_quota_the_affinity_counts(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5})
    (tmp_path / "cpu.max").write_text(text)
    assert available_processors(tmp_path) == 3
