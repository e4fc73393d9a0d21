"""The sample image that the package contains."""

import hashlib

from PIL import Image

from pipeline.weights import SAMPLE


def test_the_sample_is_the_photo_that_measurements_were_made_with() -> None:
    with Image.open(SAMPLE) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (512, 512))
    digest = hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    assert digest.startswith("5307ee70b71e2b95")
