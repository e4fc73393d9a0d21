"""Make the README's image of a photo and its cutout: `python docs/before_after.py URL`.

URL is that of a running service. The photo, coffee.jpg, is by Rachel Michetti (CC0), courtesy of
Pikolo Espresso Bar, as in scikit-image's data.
"""

import io
import sys
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
GAP, SQUARE = 16, 16


def checkerboard(size: tuple[int, int]) -> Image.Image:
    """Draw light gray and white squares, the usual sign of transparency."""
    board = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(board)
    for top in range(0, size[1], SQUARE):
        for left in range(top // SQUARE % 2 * SQUARE, size[0], 2 * SQUARE):
            draw.rectangle((left, top, left + SQUARE - 1, top + SQUARE - 1), fill=(218, 218, 218))
    return board


def main(url: str) -> None:
    """Send the photo to the service, and paste both side by side."""
    photo = (HERE / "coffee.jpg").read_bytes()
    response = httpx.post(f"{url}/remove-background/upload", files={"image": photo}, timeout=30)
    cutout = Image.open(io.BytesIO(response.raise_for_status().content))
    before, after = Image.open(io.BytesIO(photo)), checkerboard(cutout.size)
    after.paste(cutout, mask=cutout)
    both = Image.new("RGB", (before.width + GAP + after.width, before.height), "white")
    both.paste(before)
    both.paste(after, (before.width + GAP, (before.height - after.height) // 2))
    both.save(HERE / "before-after.jpg", quality=88)


if __name__ == "__main__":
    main(sys.argv[1])
