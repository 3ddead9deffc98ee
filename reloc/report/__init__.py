"""Runs as a page for people: one HTML file that holds everything and opens without a network."""
