"""The worker, with the model: the bytes of the pipeline, and thumbnails."""

import io

import pytest
from PIL import Image

from batch.worker import Worker
from pipeline.engine import Slot
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.options import Options
from pipeline.remove_background import remove_background
from pipeline.request_timer import RequestTimer
from tests.support.batch import real_settings
from tests.support.images import encoded


@pytest.fixture(scope="module")
def worker() -> Worker:
    """A worker for masks."""
    return Worker(real_settings(output="mask", margin=3))


def test_a_cutout_is_that_of_the_pipeline(
    worker: Worker, photo: bytes, segmenter: U2netpSegmenter
) -> None:
    options = Options(output="mask", margin=3)
    timer = RequestTimer(float("inf"))
    expected = remove_background(photo, options, Slot(segmenter), 10**6, timer)
    fields, content = worker.reply("cut", photo)
    assert content == expected.content
    assert (fields["code"], fields["media_type"]) == ("ok", "image/png")
    assert (fields["width"], fields["height"]) == (expected.width, expected.height)
    assert fields["subject"]["left"] == expected.subject.left
    assert fields["confidence"] == expected.confidence
    assert fields["seconds"].keys() == {"decode", "segment", "select", "encode"}


def test_an_error_is_a_reply(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert worker.reply("cut", b"")[0]["code"] == "empty_source"

    def fail(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("batch.worker.remove_background", fail)
    assert worker.reply("cut", b"")[0]["code"] == "internal_error"
    assert "KeyError: 'a defect'" in capsys.readouterr().err


def test_a_thumbnail_is_small_and_upright(worker: Worker) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = encoded(Image.new("RGB", (640, 320), "red"), "JPEG", exif=exif)
    fields, content = worker.reply("thumbnail", image)
    assert fields == {"code": "ok"}
    with Image.open(io.BytesIO(content)) as small:
        assert (small.format, small.size) == ("WEBP", (80, 160))


def test_what_pillow_refuses_has_no_thumbnail(worker: Worker) -> None:
    too_large = encoded(Image.new("1", (6000, 5000)), "PNG")
    for image in (too_large, too_large[:50], b"no image"):
        assert worker.reply("thumbnail", image) == ({"code": "ok"}, b"")
