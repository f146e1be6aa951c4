"""`python -m reprov` and the zipapp start here."""

import sys

from reprov.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
