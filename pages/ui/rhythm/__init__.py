"""The parts of the Rhythm page."""
