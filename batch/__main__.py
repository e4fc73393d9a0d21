"""`python -m batch SRC ... DEST`."""

import sys

from batch.command import main

if __name__ == "__main__":
    sys.exit(main())
