"""The hookspecs and the extensions that implement them. Imports loading."""
