"""The figures of a load test: what the plugin costs, what the processes take, how the API answers, what grows."""

from loadtests.measuring.figures import Measured, figures_of

__all__ = ["Measured", "figures_of"]
