"""Runs JavaScript and TypeScript plugins, each in a confined Node.js process."""
