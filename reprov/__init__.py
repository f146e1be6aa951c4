"""reprov re-images Linux nodes in place: role trees, an atomic swap, the way back kept, data proved untouched."""

__version__ = "0.1.0"
