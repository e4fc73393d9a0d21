"""Environment variables become settings, or one sentence that names the wrong variable."""

import pytest
from pydantic import ValidationError

from pipeline.errors import StartupError
from pipeline.fetch.url import parse_source_url
from serving.settings import Settings, read_settings

WRONG = {
    "BGR_MAX_SOURCE_BYTES": ["0", "-1", "many", "1.5"],
    "BGR_MAX_PIXELS": ["0", "x"],
    "BGR_DOWNLOAD_TIMEOUT": ["0", "-3", "nan", "inf", "soon"],
    "BGR_DEADLINE": ["0", "x"],
    "BGR_DRAIN": ["-1", "x"],
    "BGR_MAX_WAITING": ["0", "1.2"],
    "BGR_THREADS": ["0", "two", "100000"],
    "BGR_ALLOWED_PRIVATE_HOSTS": [
        "minio",
        "minio:x",
        "minio:0",
        "minio:70000",
        "http://minio:9000",
        "a:1,b",
        "a..b:1",
        "[::x]:1",
        "-:1,é-.lan:80",
    ],
    "BGR_API_KEYS": ["key\x07", "good,b\x85d", ",", " , "],
    "BGR_CORS_ORIGINS": [
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://App.example.com",
        "https://bücher.example",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://app.example.com:0443",
        "https://app.example.com:70000",
        "https://me@app.example.com",
        "https://*.example.com",
        "https://a.com,b.com",
    ],
    "BGR_REMOVEBG": ["yes", "ON", "true"],
    "BGR_MODEL": ["isnet", "rembg:", "rembg:../x"],
}


@pytest.mark.parametrize(
    ("variable", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(StartupError, match=f"{variable} is wrong"):
        read_settings({variable: value})


def test_an_empty_variable_has_its_default() -> None:
    settings = read_settings({"BGR_DEADLINE": "", "OTHER": "x"})
    assert settings == Settings()
    assert (settings.max_source_bytes, settings.max_pixels, settings.max_waiting) == (
        22_000_000,
        50_000_000,
        16,
    )
    assert (settings.download_timeout, settings.deadline, settings.drain) == (10, 25, 8)


def test_a_download_cannot_take_longer_than_the_request() -> None:
    with pytest.raises(StartupError, match=r"BGR_DOWNLOAD_TIMEOUT is wrong: .*BGR_DEADLINE"):
        read_settings({"BGR_DOWNLOAD_TIMEOUT": "30"})
    with pytest.raises(StartupError, match=r"BGR_DOWNLOAD_TIMEOUT is wrong: .*BGR_DEADLINE"):
        read_settings({"BGR_DOWNLOAD_TIMEOUT": "6", "BGR_DEADLINE": "5"})
    assert read_settings({"BGR_DEADLINE": "5"}).download_timeout == 5
    assert read_settings({"BGR_DOWNLOAD_TIMEOUT": "5", "BGR_DEADLINE": "5"}).download_timeout == 5


@pytest.mark.parametrize(
    ("entry", "host_port"),
    [
        ("[0:0:0:0:0:0:0:1]:80", ("::1", 80)),
        ("[::FFFF:127.0.0.1]:80", ("::ffff:7f00:1", 80)),
        ("bücher.lan:80", ("xn--bcher-kva.lan", 80)),
        ("MINIO.lan.:9000", ("minio.lan", 9000)),
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
    ],
)
def test_a_private_host_is_normalized_like_the_host_of_a_url(
    entry: str, host_port: tuple[str, int]
) -> None:
    (allowed,) = read_settings({"BGR_ALLOWED_PRIVATE_HOSTS": entry}).allowed_private_hosts
    assert allowed == host_port
    written = entry.rpartition(":")[0]
    url = parse_source_url(f"http://{written}:{allowed[1]}/x.png", [allowed])
    assert (url.host, url.port) == allowed


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "http://localhost:3000",
        "https://xn--bcher-kva.example",
        "http://[::1]:8080",
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnop",
        "*",
        "null",
    ],
)
def test_an_origin_is_accepted_as_browsers_send_it(origin: str) -> None:
    assert read_settings({"BGR_CORS_ORIGINS": origin}).cors_origins == (origin,)


def test_a_key_of_links_has_at_least_32_bytes() -> None:
    keys = f"{'é' * 16},{'b' * 32}"
    assert len(read_settings({"BGR_URL_KEYS": keys}).url_keys) == 2
    with pytest.raises(StartupError, match=r"BGR_URL_KEYS is wrong: .*32 bytes") as raised:
        read_settings({"BGR_URL_KEYS": f"{'a' * 32},{'b' * 31}"})
    assert "bbb" not in str(raised.value)


def test_a_list_is_separated_by_commas() -> None:
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


def test_a_value_is_converted_to_its_type() -> None:
    settings = read_settings(
        {"BGR_DRAIN": "0", "BGR_THREADS": "3", "BGR_MODEL": "rembg:u2net", "BGR_MODEL_FILE": "/a"}
    )
    assert (settings.drain, settings.threads) == (0, 3)
    assert (settings.model, str(settings.model_file)) == ("rembg:u2net", "/a")


def test_the_default_of_threads_is_the_number_of_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5})
    monkeypatch.setattr("pathlib.Path.read_text", lambda _: "max 100000")
    assert read_settings({}).threads == 3


def test_only_the_given_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BGR_DEADLINE", "7")
    assert read_settings({}).deadline == Settings().deadline == 25


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings(), "deadline", 7)  # noqa: B010
