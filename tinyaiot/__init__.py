"""tinyaiot: from a trained model to a bit-exact measurement on a microcontroller."""

__version__ = "0.1.0"
