"""Rows to tables, cards and JSON: what a person or a program reads of the database."""
