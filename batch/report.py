"""One HTML page with the results of a manifest: sources and cutouts, the least confident first.

The page is one file without any request. Checked images can be saved as a list, which is a source
of the next run.
"""

import base64
import html
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from batch.errors import ImageFailed, RunStopped
from batch.manifest import Row, last_rows
from batch.processing import Tools
from pipeline.errors import BackgroundRemovalError

_THREADS = 8

# The service advises to check results under this confidence by eye.
_DOUBTFUL = 0.5

# An output may be larger than its source: PNG of 65,535 pixels on a side.
_MAX_OUTPUT_BYTES = 1_000_000_000

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Cutouts</title>
<style>
  body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
  header { position: sticky; top: 0; background: #fff; padding: .5rem 0; z-index: 1 }
  table { border-collapse: collapse } td { padding: 0 1rem 0 0 }
  main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)) }
  label { display: block; border: 1px solid #ccc; padding: .5rem; content-visibility: auto }
  label:has(:checked) { outline: 3px solid #06c }
  span { display: flex; gap: .5rem; height: 160px; align-items: center }
  img { max-width: 160px; max-height: 160px }
  img + img { background: repeating-conic-gradient(#ddd 0 25%, #fff 0 50%) 0 0 / 16px 16px }
  small { overflow-wrap: anywhere }
  .doubtful b { color: #a00 }
</style>
"""

_SCRIPT = """<script>
  document.getElementById("save").onclick = () => {
    const checked = [...document.querySelectorAll("main :checked")];
    const rows = checked.map((box) => `${box.value}\\n`);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(rows, { type: "application/x-ndjson" }));
    link.download = "redo.jsonl";
    link.click();
  };
</script>
"""


def write_report(path: Path, tools: Tools, rows: Iterable[Row]) -> None:
    """Write the page of the last row of each output, whose images are read again.

    Raises RunStopped if the page cannot be written.
    """
    rows = last_rows(rows)
    done = [row for row in rows if row["status"] == "done"]
    done.sort(key=lambda row: 1.0 if row["confidence"] is None else row["confidence"])
    failed = [row for row in rows if row["status"] == "failed"]
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(_page(done, failed, tools))
        unfinished.replace(path)
    except OSError as exc:
        raise RunStopped(f"The report {path} cannot be written: {exc.strerror}.") from exc


def _page(done: list[Row], failed: list[Row], tools: Tools) -> Iterator[str]:
    yield _HEAD
    yield f"<header><h1>{len(done):,} cutouts, {len(failed):,} failed</h1>\n"
    yield "<button id=save>Save checked images as a list</button></header>\n"
    yield f"<table>{''.join(_codes(failed))}</table>\n<main>\n"
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="report") as pool:
        yield from pool.map(lambda row: _figure(row, tools), done)
    yield "</main>\n<h2>Failed</h2>\n<table>\n"
    for row in failed:
        cells = (row["code"], row["source"], row["message"])
        yield f"<tr>{''.join(f'<td>{html.escape(cell)}' for cell in cells)}\n"
    yield f"</table>\n{_SCRIPT}</html>\n"


def _codes(failed: Iterable[Row]) -> Iterator[str]:
    for code, count in Counter(row["code"] for row in failed).most_common():
        yield f"<tr><td>{count:,}<td>{html.escape(code)}"


def _figure(row: Row, tools: Tools) -> str:
    confidence = row["confidence"]
    is_doubtful = confidence is not None and confidence < _DOUBTFUL
    shown = "" if confidence is None else f"{confidence:.2f}"
    images = (_image(row, "source", tools), _image(row, "output", tools))
    entry = json.dumps({"source": row["source"], "output": row["output"]})
    return (
        f"<label{' class=doubtful' if is_doubtful else ''}>"
        f'<input type=checkbox value="{html.escape(entry)}"> <b>{shown}</b> '
        f"<small>{html.escape(row['source'])}</small><span>{''.join(images)}</span></label>\n"
    )


def _image(row: Row, which: str, tools: Tools) -> str:
    """Return a thumbnail of a row's `source` or `output`, or what stands for one."""
    try:
        if which == "source":
            image = tools.reader.read(row["source"])
        else:
            image = tools.target.read(row["output"], _MAX_OUTPUT_BYTES)
        small = tools.cutters.run("thumbnail", image).content
    except (BackgroundRemovalError, ImageFailed, OSError):
        small = b""
    if not small:
        return f"<i>no {which}</i>"
    encoded = base64.b64encode(small).decode()
    return f'<img loading=lazy alt="{which}" src="data:image/webp;base64,{encoded}">'
