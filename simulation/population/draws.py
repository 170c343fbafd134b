"""Random durations by their mean, in seconds."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from random import Random

Draw = Callable[[Random], float]
"""One duration in seconds out of a source of randomness."""


def constant(seconds: float) -> Draw:
    """Always the same."""
    return lambda rng: seconds


def never() -> Draw:
    """For ever: longer than any run."""
    return lambda rng: float("inf")


def exponential(mean_s: float) -> Draw:
    """Exponential with this mean."""
    if mean_s <= 0:
        raise ValueError(f"a mean must be larger than 0, not {mean_s}")
    return lambda rng: rng.expovariate(1.0 / mean_s)


def lognormal(mean_s: float, variation: float = 0.8) -> Draw:
    """Lognormal with this mean; ``variation`` is standard deviation divided by mean."""
    if mean_s <= 0 or variation <= 0:
        raise ValueError(f"mean and variation must be larger than 0, not {mean_s} and {variation}")
    sigma_squared = log(1.0 + variation * variation)
    mu = log(mean_s) - sigma_squared / 2.0
    sigma = sqrt(sigma_squared)
    return lambda rng: rng.lognormvariate(mu, sigma)
