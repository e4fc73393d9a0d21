"""`python -m compat`: check what the supervisor must not import; exits with 1 and one sentence if a library has moved."""

import sys

from compat import MovedError, onnxruntime, pillow

if __name__ == "__main__":
    try:
        for library in (pillow, onnxruntime):
            library.check()
    except MovedError as exc:
        sys.exit(str(exc))
