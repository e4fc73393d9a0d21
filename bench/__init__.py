"""`python -m bench`: our service and its peer (`rembg s`), side by side in one run.

    __main__.py   picks the sections, runs them one after another, writes bench/results/
    sections/     what is measured, one file a section, each a function `measure(stage) -> figures`
    stage.py      what every section needs: the pictures, and our service and the peer, started and stopped
      pictures.py, icc.py   the same JPEG files for both sides
      servers.py, peer.py   processes of their own; the peer in a virtual environment of its own
      source.py             a web server on loopback, for pictures by URL
    client.py     one request timed, or many at once
    floor.py      decode + one model run + encode in a process with nothing else
    memory.py     PSS of a process tree
    cgroup.py     a hard limit, made by hand
    figures.py    medians, quartiles, ratios
    targets.py    what must be seen, and whether it was
    soak/         `python -m bench.soak`: the service alone, for long, under good and bad traffic
    report.py, markdown.py, plot.py, machine.py, progress.py   what is written and said

Times are in seconds and sizes in bytes, in the code and in results.json; 1 MB is 1,000,000 bytes.
"""
