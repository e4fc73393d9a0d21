"""Cut-outs against true mattes, beside those of rembg: `python -m bench.quality [--folder PATH ...]`.

scores.py    how far an alpha, and the colours under it, are from the truth
cutters.py   the service's own pipeline, and rembg in each of its ways
sheet.py     crops side by side, to be looked at
report.py    the table
"""
