"""From an image to its cutout. Knows nothing of HTTP serving.

    image_url
     ↓      fetch/    url.py checks it, network.py connects to public addresses only,
     ↓                download.py fetches within limits
    bytes
     ↓      image/    decode.py
    SourceImage       image/source_image.py: upright, 8-bit sRGB, one region at a time
     ↓      mask/     u2netp.py (or rembg.py) behind the interface of segmenter.py
    Prediction        what is salient, 0 to 255, 320 × 320
     ↓      mask/     components.py chooses the subject by connected components, and
     ↓                second_look.py a part of the image to predict again, if it is small
    Subject
     ↓      mask/     matte.py: upsample.py, then refine.py follows the image's own edges
    Matte             alpha of any region at full resolution, and the subject's box
     ↓      image/    encode.py
    bytes             PNG, WebP or JPEG

`remove_background.py` composes the steps from decoding to encoding in one function, with the first
three of them in `find_subject.py`. `canvas/` composes more than a cutout: scaled, placed, with a
shadow, on an image. `engine.py` has the models and threads that images are processed with, one at a
time or two. `options.py` holds what a client may ask for, `errors.py` what can go wrong,
`request_timer.py` the deadline. `weights/` prepares the model before the first start.

This package imports nothing heavy: the supervisor process imports it, and must not load NumPy.
"""

import os

# onnxruntime collects usage for its makers unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
