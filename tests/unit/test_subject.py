"""The subject of an image and a prediction, in the whole image or in a region of it."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box
from pipeline.image.source_image import Reduction, SourceImage
from pipeline.mask.confidence import calibrate
from pipeline.mask.segmenter import Prediction
from pipeline.mask.subject import FoundSubject, Look, locate, select

SIZE = (640, 640)

# Two subjects, the larger on the left, and a faint spot at the top.
MASK = np.zeros((320, 320), np.uint8)
MASK[100:250, 20:120] = 255
MASK[150:220, 200:260] = 255
MASK[10:40, 200:240] = 60


def gradient(alpha: Image.Image | None = None) -> SourceImage:
    ramp = Image.linear_gradient("L").resize(SIZE)
    return SourceImage(Image.merge("RGB", (ramp, ramp.rotate(90), ramp)), alpha)


def look_at(image: SourceImage) -> Look:
    return Look(Box(0, 0, *SIZE), image.reduced((320, 320)), Prediction(MASK, 0.9))


def find(image: SourceImage | None = None, parts: str = "all", **of: Any) -> FoundSubject:
    image = image or gradient()
    selection = select(image, look_at(image), parts, **of)  # type: ignore[arg-type]
    return locate(selection, image, of.get("region"))


def test_parts_and_edges_are_those_asked_for() -> None:
    both = find(edges="raw")
    assert both.box.left == pytest.approx(40, abs=6)
    assert both.box.corners[2] == pytest.approx(520, abs=6)
    largest = find(parts="largest", edges="raw")
    assert largest.box.corners[2] == pytest.approx(240, abs=6)
    assert not largest.selection.subject.mask[:, 150:].any()
    assert both.selection.subject.confidence is not None
    assert both.selection.subject.confidence == pytest.approx(calibrate(0.9))


def test_only_what_is_in_a_region_is_found() -> None:
    region = Box(380, 150, 260, 250)
    found = find(region=region)
    left, top, right, bottom = found.box.corners
    assert np.abs(np.array([left, top, right, bottom]) - (400, 300, 520, 400)).max() <= 6
    assert bottom == 400
    assert not found.selection.subject.mask[:, :180].any()
    assert found.matte.render(Box(450, 390, 1, 20))[:, 0].tolist() == [255] * 10 + [0] * 10


def test_a_subject_does_not_fade_towards_the_regions_border() -> None:
    found = find(region=Box(0, 0, 200, 640))
    assert found.matte.render(Box(190, 300, 10, 1)).min() == 255


@pytest.mark.parametrize("region", [Box(0, 520, 640, 120), Box(380, 0, 150, 90)])
def test_a_region_of_background_or_of_something_faint_has_no_subject(region: Box) -> None:
    with pytest.raises(NoSubjectFound):
        find(region=region)


def test_the_images_own_alpha_hides_a_subject() -> None:
    alpha = Image.new("L", SIZE, 255)
    alpha.paste(0, (0, 0, 320, 640))
    assert find(gradient(alpha)).box.left > 320


def test_a_selection_is_found_again_in_the_same_image_decoded_smaller() -> None:
    image = gradient()
    selection = select(image, look_at(image), "all")
    reduction = Reduction(2, SIZE)
    halved = SourceImage(image.reduced((320, 320)), reduction=reduction)
    difference = np.subtract(
        locate(selection, halved).box.corners, locate(selection, image).box.corners
    )
    assert np.abs(difference).max() <= 4
