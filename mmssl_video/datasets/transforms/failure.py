"""Old path of :mod:`.unintentional`, until its last import is renamed."""

from .unintentional import STEP_CLASSES, LabelUnintentionalSteps, label_spans  # noqa: F401

LabelSteps = LabelUnintentionalSteps
