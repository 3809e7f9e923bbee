"""Way 2: a flow file becomes a live, immutable version; and the pure engine that walks it."""
