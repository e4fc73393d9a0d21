"""What files declare about themselves, read by walking their structure, before decoding.

isobmff.py      the boxes of an ISO base media file
items.py        the items of such a file, and their properties
heif.py         the size and the memory of a HEIC
avif.py         what an AVIF makes libavif decode
av1.py          what an AV1 bitstream makes its decoder allocate
tiff.py         what libtiff unpacks at a time
jpeg.py         whether a JPEG comes in several scans
png_chunks.py   a PNG without its animation
png_color.py    the color space of a PNG
avif_color.py   the color space of an AVIF
"""
