"""HEIC files: decoded like any other, and whatever they do to the process that decodes them."""

import io
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from pipeline.errors import (
    BackgroundRemovalError,
    ImageCorrupt,
    ImageTooLarge,
    OutOfMemory,
    UnsupportedImageType,
)
from pipeline.image.decode import decode
from pipeline.image.heif import decoder
from pipeline.image.heif.decoder import HeifDecoder, find_decoder
from pipeline.image.heif.process import HeifProcess
from pipeline.image.source_image import SourceImage
from tests.support.avif_files import box, extent
from tests.support.environment import Record
from tests.support.fuzz import IMAGE_CODES
from tests.support.heif_bombs import HEIF_BOMBS
from tests.support.heif_files import (
    Item,
    coded,
    composed,
    configuration,
    grid,
    heic,
    overlay,
    saved,
)
from tests.support.images import MAX_PIXELS, quadrants, records_into
from tests.support.mutations import mutated, originals

# A multiple of 8 on both sides, so that the encoder does not have to crop it.
QUADRANTS = quadrants().resize((128, 64), Image.Resampling.NEAREST)
TURNS = {
    b"irot\1": Image.Transpose.ROTATE_90,
    b"irot\2": Image.Transpose.ROTATE_180,
    b"irot\3": Image.Transpose.ROTATE_270,
    b"imir\0": Image.Transpose.FLIP_TOP_BOTTOM,
    b"imir\1": Image.Transpose.FLIP_LEFT_RIGHT,
}


@pytest.fixture(scope="module")
def heif() -> Iterator[HeifDecoder]:
    """A decoder, whose process is shared by the tests."""
    made = find_decoder()
    assert made is not None
    yield made
    made.close()


def difference(image: SourceImage, expected: Image.Image) -> float:
    """Return the mean absolute difference of the colors."""
    assert image.size == expected.size
    return float(np.abs(np.asarray(image.rgb()).astype(int) - np.asarray(expected)).mean())


def process_of(heif: HeifDecoder) -> int:
    """Return the id of a process that has just decoded an image."""
    decode(heic(QUADRANTS), MAX_PIXELS, heif=heif)
    assert heif.pid is not None
    return heif.pid


def code_of(data: bytes, heif: HeifDecoder) -> str:
    """Decode a file; return "ok" or the code of its error."""
    try:
        decode(data, MAX_PIXELS, heif=heif)
        return "ok"
    except BackgroundRemovalError as error:
        return error.code


def test_without_the_extra_the_type_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert find_decoder() is None
    with pytest.raises(UnsupportedImageType, match="extra `heif`"):
        decode(heic(QUADRANTS), MAX_PIXELS)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_every_mode_is_decoded(mode: str, heif: HeifDecoder) -> None:
    image = QUADRANTS.convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    decoded = decode(heic(image, quality=100), MAX_PIXELS, heif=heif)
    assert difference(decoded, image.convert("RGB")) < 12
    assert (decoded.alpha is None) == (mode != "RGBA")
    if decoded.alpha is not None:
        alpha = np.asarray(decoded.alpha).astype(int) - np.asarray(image.getchannel("A"))
        assert np.abs(alpha).mean() < 3


def test_ten_bits_become_eight(heif: HeifDecoder) -> None:
    samples = np.asarray(QUADRANTS).astype("<u2") << 2
    deep = pillow_heif.from_bytes("RGB;10", QUADRANTS.size, samples.tobytes())
    assert difference(decode(saved(deep), MAX_PIXELS, heif=heif), QUADRANTS) < 12


@pytest.mark.parametrize("turn", TURNS)
def test_the_file_turns_the_image(turn: bytes, heif: HeifDecoder) -> None:
    stored = coded(QUADRANTS)
    turned = Item(stored.kind, stored.data, [*stored.properties, box(turn[:4], turn[4:])])
    expected = QUADRANTS.transpose(TURNS[turn])
    assert difference(decode(composed(turned), MAX_PIXELS, heif=heif), expected) < 12


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_the_orientation_of_exif_is_not_applied_again(orientation: int, heif: HeifDecoder) -> None:
    """The encoder turns the stored image; the file turns it back, and has the orientation too."""
    image = QUADRANTS.copy()
    image.getexif()[0x0112] = orientation
    assert difference(decode(heic(image), MAX_PIXELS, heif=heif), QUADRANTS) < 12


def test_an_image_that_is_cropped_has_its_size(heif: HeifDecoder) -> None:
    """The encoder stores multiples of 8 pixels."""
    image = QUADRANTS.crop((0, 0, 100, 61))
    assert difference(decode(heic(image), MAX_PIXELS, heif=heif), image) < 12


def test_grids_and_overlays_are_composed(heif: HeifDecoder) -> None:
    tiles = [Image.new("RGB", (64, 64), color) for color in ("red", "lime", "blue", "white")]
    items = grid((100, 120), range(2, 6), 2), *map(coded, tiles)
    expected = Image.new("RGB", (128, 128))
    for number, tile in enumerate(tiles):
        expected.paste(tile, (number % 2 * 64, number // 2 * 64))
    expected = expected.crop((0, 0, 100, 120))
    assert difference(decode(composed(*items), MAX_PIXELS, heif=heif), expected) < 6
    laid = composed(overlay((64, 64), [2]), coded(tiles[0]))
    assert difference(decode(laid, MAX_PIXELS, heif=heif), tiles[0]) < 6


def test_the_primary_image_of_several_is_decoded(heif: HeifDecoder) -> None:
    file = pillow_heif.from_pillow(QUADRANTS)
    file.add_from_pillow(Image.new("RGB", (64, 64)))
    for primary, expected in enumerate((QUADRANTS, Image.new("RGB", (64, 64)))):
        data = saved(file, primary_index=primary)
        assert difference(decode(data, MAX_PIXELS, heif=heif), expected) < 12


def test_profiles_and_numbered_colors_become_srgb(heif: HeifDecoder, wide_gamut: bytes) -> None:
    flat = Image.new("RGB", (64, 64), (150, 140, 60))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut))
    expected = ImageCms.profileToProfile(flat, profile, ImageCms.createProfile("sRGB"))
    assert expected is not None
    with_profile = flat.copy()
    with_profile.info["icc_profile"] = wide_gamut
    assert difference(decode(heic(with_profile), MAX_PIXELS, heif=heif), expected) < 4
    numbers = {"color_primaries": 9, "transfer_characteristics": 13, "matrix_coefficients": 9}
    file = pillow_heif.from_pillow(flat)
    data = saved(file, full_range_flag=1, save_nclx_profile=True, **numbers)
    converted = Image.new("RGB", (64, 64), (159, 139, 37))
    assert difference(decode(data, MAX_PIXELS, heif=heif), converted) < 5


def test_the_size_is_limited_by_the_header_and_the_memory_announced(heif: HeifDecoder) -> None:
    data, claims = heic(QUADRANTS), list[int]()
    pixels = 128 * 64
    decode(data, pixels, records_into(claims), heif=heif)
    assert claims == [7 * pixels + decoder.PROCESS_BYTES + len(data)]
    with pytest.raises(ImageTooLarge):
        decode(data, pixels - 1, heif=heif)
    # 16 bytes per pixel for 4:4:4 in 10 bits.
    most = (250_000_000 - decoder.KEPT_FREE_BYTES) // 16
    with pytest.raises(ImageTooLarge, match=f"{most:,} pixels"):
        decode(
            composed(Item(b"hvc1", b"", [configuration(3, 10), extent(5_000, 3_000)])),
            MAX_PIXELS,
            heif=heif,
        )


def test_a_process_that_is_gone_is_replaced(heif: HeifDecoder) -> None:
    data, first = heic(QUADRANTS), process_of(heif)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert decode(data, MAX_PIXELS, heif=heif).size == QUADRANTS.size
    assert heif.pid != first


def test_a_process_that_hangs_is_killed_and_replaced(
    heif: HeifDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, hanging = heic(QUADRANTS), process_of(heif)
    os.kill(hanging, signal.SIGSTOP)
    monkeypatch.setattr(decoder, "_SECONDS_PER_CPU_SECOND", 0.1)
    with pytest.raises(ImageCorrupt):
        decode(data, MAX_PIXELS, heif=heif)
    monkeypatch.undo()
    started = time.monotonic()
    assert decode(data, MAX_PIXELS, heif=heif).size == QUADRANTS.size
    assert time.monotonic() - started < 1
    with pytest.raises(ProcessLookupError):
        os.kill(hanging, 0)


def test_a_process_that_dies_while_it_decodes_takes_only_its_image(heif: HeifDecoder) -> None:
    data, dying = heic(QUADRANTS), process_of(heif)
    os.kill(dying, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        decoding = pool.submit(decode, data, MAX_PIXELS, heif=heif)
        time.sleep(0.2)
        os.kill(dying, signal.SIGKILL)
        with pytest.raises(ImageCorrupt):
            decoding.result(5)
    assert decode(data, MAX_PIXELS, heif=heif).size == QUADRANTS.size


def test_a_process_that_cannot_be_started_is_a_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> HeifProcess:
        raise BlockingIOError

    monkeypatch.setattr(decoder, "HeifProcess", fail)
    with pytest.raises(OutOfMemory):
        decode(heic(QUADRANTS), MAX_PIXELS, heif=HeifDecoder())


def test_several_threads_take_turns(heif: HeifDecoder) -> None:
    files = [heic(Image.new("RGB", (64, 64), (level, 0, 0))) for level in range(0, 250, 25)]
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda data: decode(data, MAX_PIXELS, heif=heif), files))
    reds = [np.asarray(image.rgb())[..., 0].mean() for image in images]
    assert np.abs(np.array(reds) - range(0, 250, 25)).max() < 4


@pytest.mark.parametrize("seeds", [60, pytest.param(8_000, marks=pytest.mark.slow)])
def test_mutations_end_in_an_image_or_in_an_error(
    seeds: int, heif: HeifDecoder, record_property: Record
) -> None:
    files, codes = {"HEIF": originals(Path("nowhere"))["HEIF"]}, Counter[str]()
    for seed in range(seeds):
        started = time.monotonic()
        codes[code_of(mutated(files, seed), heif)] += 1
        record_property("mutated HEIC: seconds", time.monotonic() - started)
        assert time.monotonic() - started < 10, seed
    assert {"ok", "image_corrupt"} <= codes.keys() <= IMAGE_CODES
    assert codes["ok"] > seeds / 30


QUICK = [name for name in HEIF_BOMBS if name not in ("identities", "profile")]


@pytest.mark.parametrize(
    "name",
    [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in HEIF_BOMBS.keys() - QUICK)],
)
def test_a_bomb_does_not_go_off_here(name: str, heif: HeifDecoder) -> None:
    make, codes = HEIF_BOMBS[name]
    data, started = make(), time.monotonic()
    assert code_of(data, heif) in codes
    assert time.monotonic() - started < 20
