"""What overlapping windows say of a video, averaged place by place, and how near a peak comes."""

from __future__ import annotations

import numpy as np

#: Distances, in seconds, at which Oops counts a failure as found.
THRESHOLDS = (1.0, 0.25)
#: Two values of a curve closer than this count as one height.
TIE = 1e-9


def average_on_timeline(
    starts: np.ndarray, length: int, values: np.ndarray, total_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average what is known of steps over units of one step's length.

    Unit u of a video is the frames ``[u * length, (u + 1) * length)``, up to its end. Its value is
    the mean over all steps of all windows that cover it, each weighted by the share it covers; for
    windows that move by whole steps that is the plain mean of the steps at the same place. (MemDPC,
    appendix B: "we take the same sequence length as training from the video with a temporal moving
    window, and summarize the prediction", and no more.)

    Args:
        starts: First frames of the steps, ``[S]``.
        length: Length of a step in frames.
        values: What is known of each step, ``[S, ...]``.
        total_frames: Frames of the video.

    Returns:
        Means ``[U, ...]`` float64, NaN where no step lies, and the sum of weights ``[U]``.
    """
    starts, values = np.asarray(starts), np.asarray(values, dtype=np.float64)
    units = -(-total_frames // length)
    sums, weights = np.zeros((units, *values.shape[1:])), np.zeros(units)
    first = starts // length
    later = starts % length / length  # share that lies in the next unit
    for unit, share in ((first, 1 - later), (first + 1, later)):
        inside = (unit < units) & (share > 0)
        np.add.at(
            sums, unit[inside], values[inside] * share[inside].reshape(-1, *[1] * (values.ndim - 1))
        )
        np.add.at(weights, unit[inside], share[inside])
    with np.errstate(invalid='ignore'):
        return sums / weights.reshape(-1, *[1] * (values.ndim - 1)), weights


def unit_times(total_frames: int, length: int, fps: float) -> np.ndarray:
    """Middles of the units of a video, in seconds, ``[U]``."""
    first = np.arange(0, total_frames, length)
    return (first + np.minimum(first + length, total_frames)) / 2 / fps


def peak_hit(times: np.ndarray, heights: np.ndarray, failure: float, within: float) -> float:
    """Whether the peak of a curve lies within ``within`` seconds of the failure.

    The localisation of Oops (Epstein, Chen, Vondrick, CVPR 2020: 1 and 0.25 seconds): the middle of
    the piece of video with the highest score is the answer. Of several peaks of one height each is
    as likely, so that a flat curve is worth a random guess.

    Args:
        times: Middles of the units in seconds, ``[U]``.
        heights: The curve, ``[U]``; NaN where nothing is known.
        failure: Time of the failure in seconds.
        within: Largest distance that counts, in seconds.

    Returns:
        1 or 0, or the share of equal peaks that are near enough.
    """
    peaks = heights >= np.nanmax(heights) - TIE
    # times and annotations are rounded somewhere: a distance of exactly 0.25 must count
    return float((np.abs(times[peaks] - failure) <= within + TIE).mean())


def random_hit(duration: float, failure: float, within: float) -> float:
    """Probability that a random moment of a video lies within ``within`` seconds of the failure."""
    return max(0.0, min(duration, failure + within) - max(0.0, failure - within)) / duration


def localisation_name(within: float) -> str:
    """Name of the figure "failure found within so many seconds", such as ``within_0.25s``."""
    return f'within_{within:g}s'
