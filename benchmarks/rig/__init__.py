"""What the benchmarks of the conversation way share: the far end, the load, and the product's processes."""
