"""Generate dataset folders whose truth is known."""
