"""`make bench`: an upgrade by reprov against rsync over the live tree, in one run (docs/bench.md)."""
