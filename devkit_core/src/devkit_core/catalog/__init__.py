"""What plugins there are: discovery, registry, resolver, grants. Imports api and below."""
