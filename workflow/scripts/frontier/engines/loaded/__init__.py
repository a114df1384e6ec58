"""What engines have loaded and ask: a module for each engine that needs its library for it."""
