"""Detects an image's format from its first bytes. File name and Content-Type are ignored."""

_AVIF_BRANDS = {b"avif", b"avis"}
# ISO/IEC 23008-12, annex B: HEVC, single images and sequences. An AVIF may have the last two.
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MAX_BRAND_BYTES = 256
# ISO/IEC 18181-2: a codestream alone, or the first box of a file.
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")


def detect_format(data: bytes) -> str | None:
    """Return Pillow's name of an accepted format: JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF or HEIF.

    Return JXL for JPEG XL, which is not decoded, and None for anything else.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):  # TIFF 6.0 and BigTIFF
        return "TIFF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(_JPEG_XL):
        return "JXL"
    # ISO/IEC 14496-12, 4.3: size, "ftyp", the major brand, a version, the compatible brands.
    if data[4:8] == b"ftyp":
        listed = (data[8:12] + data[16 : int.from_bytes(data[:4], "big")])[:_MAX_BRAND_BYTES]
        brands = {listed[at : at + 4] for at in range(0, len(listed), 4)}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    return None
