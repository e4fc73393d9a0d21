"""Certainty of the model -> probability that the subject is right, by Platt scaling."""

import math

# logit P = 2.7 logit c − 8.25, by Platt's method (Probabilistic Outputs for Support Vector
# Machines, 1999) on the 65 images of six sets of ground truth that docs/quality.md names, each
# looked at once and with `passes=auto`. Fitted without any one set but DAVIS, which has most of the
# errors, the slope is 2.6 to 3.0.
_SLOPE, _OFFSET = 2.7, -8.25

# Certainties outside these say nothing more.
_LEAST, _MOST = 1e-4, 1 - 1e-4


def calibrate(certainty: float) -> float:
    """Return the probability, 0 to 1, that the subject's IoU with the truth is over 0.9.

    `certainty`, c, is the mean probability that the model gives to the subject's cells, 0 to 1.

        P = 1 / (1 + exp(−(2.7 ln(c / (1 − c)) − 8.25)))

    0.955 becomes one half, and 0.98 nine tenths.
    """
    c = min(max(certainty, _LEAST), _MOST)
    return 1 / (1 + math.exp(-(_SLOPE * math.log(c / (1 - c)) + _OFFSET)))
