"""Measurements of speed, memory and accuracy, run by `make bench` and never by `make test`: what a machine does is no test."""
