"""Inside cortex: depth, k-means, mixtures, what their parts consist of, layer scores, zoom."""
