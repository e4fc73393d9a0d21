"""Bytes -> pixels -> bytes.

formats.py           which of the eight formats is this?
decode.py            bytes -> SourceImage
headers/             what a file declares, read from its structure before decoding
price.py             the memory that decoding will need, and how many pixels it allows
decoder_limits.py    bounds on what the header hides
pillow_errors.py     Pillow's exceptions -> ours
color.py             -> 8-bit sRGB and alpha
declared_color.py    a color space that a file declares by numbers
color_codes.py       code points of ITU-T H.273 -> its ICC profile
icc.py               writes ICC profiles
heif/                decodes HEIC in a process of its own
webp.py              decodes WebP by libwebp
source_image.py      the decoded image
reduce.py            reduces it to the size that the model sees
planes.py            an image in 4:2:0 as its own samples
jpeg_planes.py       a large JPEG as its own samples
strips.py            full-resolution work in parallel
box.py               a rectangle
layer.py             the cutout's colors and alpha, strip by strip
scaled_layer.py      the same at another size
scale.py             what size, and how much of a JPEG it needs
compose.py           lays them over a background
encode.py            layer -> PNG, WebP or JPEG
png.py               writes PNG in strips
webp_writer.py       writes WebP
jpeg_writer.py       writes JPEG in strips
"""
