"""One conversation in every dialect: read from one, written in another."""
