"""Pixels -> alpha.

segmenter.py    the interface of every model
u2netp.py       the default model
rembg.py        any of rembg's models
subject.py      from the model's prediction to the subject's alpha and box
components.py   the mask of the chosen subject
connected.py    connected components, and nearest cells
matte.py        alpha of any region at full resolution
upsample.py     the mask at full resolution
refine.py       the edge, by the image's own colors
"""
