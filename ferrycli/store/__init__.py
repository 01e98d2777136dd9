"""The database: keys, budgets, rates and calls, the ledger thread, and ids."""
