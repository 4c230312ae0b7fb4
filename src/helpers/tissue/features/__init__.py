"""What features are worth: probes, Gram matrix, gray baselines, texture, and the bootstrap."""
