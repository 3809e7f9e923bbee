"""Way 3: a sheet comes in, a promotion or reminder goes out, to everyone once."""
