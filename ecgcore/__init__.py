"""Leadwise: recordings in, beats and rhythm out."""
