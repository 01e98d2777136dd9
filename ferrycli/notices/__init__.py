"""Outgoing messages: a message and a channel in, delivered or `NotDelivered` out.

Nothing here decides who is told, waits for a next try or touches a database. No error holds a
secret, an address that may be one, or anything that a receiver answered but its status.
"""
