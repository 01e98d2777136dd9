"""Sockets: carry one call across, from the client to its provider and back."""
