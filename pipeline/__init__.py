"""The work of background removal; knows nothing of serving.

    str    download.py   a URL, checked by urls.py and addresses.py, over network.py, counted by metering.py
     ↓
    bytes  decode.py     what the source sent
     ↓
    Picture              picture.py: kept as its file held it, developed a region at a time to upright, 8-bit sRGB
     ↓     segment.py    reduced to the model's size
    Prediction           what is salient, 0 to 255, 320 × 320
     ↓     subject.py    connected components
    Subject              the mask of the chosen parts
     ↓     matte.py      enlarged; edges.py sharpens it by the picture
    Matte                alpha at full resolution, and the subject's box
     ↓     encode.py     in the foreground's own colours, by edges.py
    bytes                PNG or WebP

`flow.py` composes the arrows from decode to encode in one function. Each arrow is one file with one public verb and takes what the
last one gave. png.py helps encode.py, and strips.py runs full-resolution work in strips. Files that help decode.py: its memory is
priced by bytes_per_pixel.py (with jpeg.py, tiff.py, and avif.py on boxes.py and av1.py), its reads are bounded by bounds.py, its
calls into Pillow are wrapped by pillow_errors.py, and png_chunks.py, webp.py and color.py read what they are named for.
Beside them stand options.py, errors.py, processors.py (how many there are), memory.py (the worker's environment), and model.py,
which sets the weights up before serving.

Nothing heavy is imported here: the supervisor process imports this package, and must not pay for numpy.
"""

import os

# onnxruntime collects usage for its makers unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
