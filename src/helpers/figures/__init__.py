"""One function per panel: arrays in, a matplotlib figure out."""
