"""Settings and the places they come from. Imports errors only. Enter by sources.load."""
