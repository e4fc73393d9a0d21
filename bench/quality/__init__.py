"""Cutouts against true mattes: `python -m bench.quality`; bench/__init__.py lists its files."""
