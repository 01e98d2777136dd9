"""What replies say of themselves: usage, cost, model and end, while every byte goes on."""
