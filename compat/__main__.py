"""`python -m compat`: check the libraries that the supervisor must not import.

Exits with status 1 and one sentence if a private API is missing.
"""

import sys

from compat import MovedError, onnxruntime, pillow

if __name__ == "__main__":
    try:
        for library in (pillow, onnxruntime):
            library.check()
    except MovedError as exc:
        sys.exit(str(exc))
