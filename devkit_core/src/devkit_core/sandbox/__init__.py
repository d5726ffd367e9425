"""From a plugin's authority to what the kernel enforces.

Enter by `authority.decide`, `probe.probe` and `plan.build`. Imports model and errors.
"""
