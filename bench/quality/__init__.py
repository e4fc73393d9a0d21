"""Cutouts against true mattes, beside rembg's: `python -m bench.quality [FOLDER ...]`.

methods.py        the true mattes, and what is compared: the pipeline, and rembg in each of its ways
scores.py         how far an alpha, and the colors under it, are from the truth
report.py         targets and tables
sheet.py          crops side by side
constants.py      how sensitive the refined edges are to their constants
"""
