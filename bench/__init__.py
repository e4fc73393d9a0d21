"""What is measured, and with what.

    python -m bench               the service beside rembg's server, one section after another
      sections/start.py           start to ready, and to the first response
      sections/installed.py       the size of what is installed
      sections/latency.py         one request at a time, beside rembg and the floor
      sections/memory.py          peak memory, one request at a time
      sections/load.py            many requests at once: throughput, latency, peak memory
      sections/urls.py            many slow sources at once
      sections/growth.py          memory after thousands of requests
      sections/limit.py           the same under a hard limit of 512 MB
      floor.py                    decode, one model run and encode, and nothing else
    python -m bench.quality       cutouts against true mattes, beside rembg's
      quality/constants.py        how sensitive the refined edges are to their constants
    python -m bench.scale         two instances behind nginx
    python -m bench.soak          good and bad traffic for many minutes

    servers.py                    start, ask and stop the service and rembg's server
    images.py                     the JPEG files that both get
    report.py                     samples -> figures, targets, tables, plots and files, for all
    results/                      the last results; trial/ has those of a part

Times are in seconds and sizes in bytes, in code and results; 1 MB is 1,000,000 bytes.
"""
