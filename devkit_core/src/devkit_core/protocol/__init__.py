"""The worker protocol: frames, messages, handshake.

No I/O; imports errors only. Enter by `frames`.
"""
