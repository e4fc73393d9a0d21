"""What is measured, and with what.

python -m bench             the service beside rembg's server, one section after another
  sections/start.py         start to ready, and to the first response
  sections/installed.py     the size of what is installed
  sections/latency.py       one request at a time, beside rembg and the floor
  sections/memory.py        peak memory, one request at a time
  sections/load.py          many requests at once: throughput, latency, peak memory
  sections/urls.py          many slow sources at once
  sections/growth.py        memory after thousands of requests
  sections/limit.py         the same under a hard limit of 512 MB
  floor.py                  decode, one model run and encode, and nothing else
python -m bench.quality     cutouts against true mattes, beside rembg's
python -m bench.quality.constants   how sensitive the refined edges are to their constants
python -m bench.scale       two instances behind nginx
python -m bench.soak        good and bad traffic for many minutes

servers.py, rembg_server.py   start, ask and stop the service and rembg's server
client.py                     timed requests, one or many at once
images.py                     the JPEG files that both servers get
report.py                     figures, targets, tables, plots and files of all of them
results/                      the last results; bench/trial/ has those of a part
"""
