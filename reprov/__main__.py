"""`python -m reprov` and the zipapp start here."""

from reprov.cli.main import entry

if __name__ == "__main__":
    entry()
