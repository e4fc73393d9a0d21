"""What `python -m bench` measures: one module per section, listed in bench/__init__.py.

Each has `SECTION`, how its samples are shown and judged, and `measure`, which records them.
"""

# The options that latency and load are measured for: the defaults, and the edges that rembg has.
VARIANTS: dict[str, dict[str, str]] = {"default": {}, "edges=raw": {"edges": "raw"}}

COLORS = {"rembg": "#c2571a", "default": "#1f5fa8", "edges=raw": "#6fa8dc", "floor": "#8a8a8a"}
LABELS = {name: f"this service, {name}" for name in VARIANTS} | {
    "rembg": "rembg s",
    "floor": "floor",
}
