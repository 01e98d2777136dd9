"""What models cost: the operator's overrides, then the price catalogue, as rate cards."""
