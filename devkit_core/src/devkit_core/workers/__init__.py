"""The host's side of a worker: zygote, channel, deadlines.

Imports sandbox, events, protocol.
"""
