"""What features are worth: probes, Gram matrix, gray baselines, texture."""
