"""Inside cortex: depth, k-means, mixtures, layer scores."""
