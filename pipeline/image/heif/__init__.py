"""HEIC -> pixels, in a process of its own, because what its decoder does is not known beforehand.

decoder.py   a HEIC -> Pillow's image or planes
process.py   the decoder's process, as seen from the worker
child.py     what runs in that process

The child decodes with `pillow-heif`, which is installed with the extra `heif`.
"""
