"""Pixels -> alpha.

segmenter.py    the interface of every model
u2netp.py       the default model
rembg.py        any of rembg's models
subject.py      from the model's prediction to the subject's alpha and box
second_look.py  the prediction of a part of the image, joined with that of the whole
components.py   the mask of the chosen subject
confidence.py   how sure the model is of it, as a probability
connected.py    connected components, and nearest cells
matte.py        alpha of any region at full resolution
upsample.py     the mask at full resolution
local_colors.py the colors on both sides of the edge
refine.py       the edge, by these colors
"""
