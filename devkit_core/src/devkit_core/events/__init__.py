"""What happened: bus, statistics, logs. Imports model."""
