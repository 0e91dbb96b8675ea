"""``python -m vergence``."""

import sys

from vergence.cli import main

if __name__ == "__main__":
    sys.exit(main())
