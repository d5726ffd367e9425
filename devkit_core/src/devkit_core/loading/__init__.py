"""What a loader author and a source author subclass. Imports workers. Enter by loader and source."""
