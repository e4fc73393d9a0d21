"""Many images: a folder, a list, URLs or a bucket, with the same options and bytes as the service.

    sources.py     folders, files, lists (lists.py), URLs and stores -> items, named by names.py
     ↓             an item: where an image is, and the name of its output
    reading.py     item -> bytes, through the service's own guard for URLs
     ↓
    cutters.py     bytes -> cutout, by child processes (worker.py) that may die or hang
     ↓
    targets.py     cutout -> a file or an object, whole or not at all
     ↓
    manifest.py    a row for each image, from which the next run knows what is done

`processing.py` is these steps for one item. `command.py` reads the command line, and `run.py` leads
many items at once on this machine, or `cluster.py` on those of a Ray cluster, whose manifest is
`manifest_parts.py`, in files of `parquet.py`. `progress.py` tells how far it is, and `report.py`
shows the results on a page. `stores.py` is the only module that knows object stores, `errors.py`
what can go wrong, and `index.py` remembers millions of names on disk.

This package imports nothing heavy outside `worker.py`: the children need the memory.
"""
