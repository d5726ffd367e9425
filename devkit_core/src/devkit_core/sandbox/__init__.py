"""From a plugin's authority to what the kernel enforces: plan, seccomp, Landlock, probe. Imports model."""
