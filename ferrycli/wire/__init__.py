"""Provider dialects: bytes in, values out. No sockets, no clock."""
