"""Every decision about money, budgets, routing and attribution: pure, no I/O, no clock."""
