"""Of a network that labels pixels only what is written is computed: the rest is cut out of its graph."""
