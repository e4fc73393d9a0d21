"""Good and bad traffic for a while: `python -m bench.soak`; bench/__init__.py lists its files."""
