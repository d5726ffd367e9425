"""What a plugin is: manifest, permissions, versions, states.

No I/O; imports errors only.
"""
