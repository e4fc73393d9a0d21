"""The weights of u2netp: downloaded, verified, optimized and stored, before serving.

    fetch.py   finds a copy of the original weights and verifies its checksum
    graph.py   rewrites the network so that it needs less memory
    store.py   keeps the result in BentoML's model store

`python -m pipeline.weights` does all three. Only `graph.py` needs onnx, which the image leaves out.
"""

from pathlib import Path

# A photo with a clear subject: the astronaut Eileen Collins (NASA, public domain).
SAMPLE = Path(__file__).parent / "sample.jpg"
