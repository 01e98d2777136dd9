"""The demo: what happened in its weeks, how they are written, and a server to look at them."""
