"""What is measured, and with what.

    python -m bench               the service beside rembg's server, one section after another
      single.py                   start, installed, latency, memory: one request at a time
      many.py                     load, urls, growth, limit: many requests
      batch.py                    batch: a folder of images, beside `rembg p`
      floor.py                    decode, one model run and encode, and nothing else
    python -m bench.quality       cutouts against true mattes, beside rembg's
      quality/methods.py          the mattes, and what is compared: the pipeline, and rembg's modes
      quality/scores.py           how far an alpha, and the colors under it, are from the truth
      quality/sheet.py            crops side by side
      quality/constants.py        how sensitive the refined edges are to their constants
    python -m bench.scale         two instances behind nginx
    python -m bench.soak          good and bad traffic for many minutes
      soak/traffic.py             every kind of request, and which codes are right for it
      soak/clients.py             steady clients, bursts, a kept connection, rests

    servers.py                    start, ask and stop the service and rembg's server
    images.py                     the JPEG files that both get
    report.py                     samples -> figures, targets, tables and files, for all
    plots.py                      samples -> plots
    results/                      the last results; trial/ has those of a part

Times are in seconds and sizes in bytes, in code and results; 1 MB is 1,000,000 bytes.
"""
