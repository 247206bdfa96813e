"""What of a pre-trained checkpoint a classifier begins with."""

from __future__ import annotations

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.logging import print_log

from mmssl_video.checkpoints import match_weights, state_dict_of


@HOOKS.register_module()
class EncoderWeightsHook(Hook):
    """Loads everything but the classification head from ``load_from``, and says what it was.

    A head belongs to its own classes: that of another training, of the same width by chance, would
    be taken over without a word. (A resumed run loads everything.)

    Args:
        source: How messages name the checkpoint.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Leave in the checkpoint what is to be loaded, and log the report.

        Raises:
            CheckpointError: Nothing of the encoder is in it, or it is of another architecture.
        """
        if runner._resume:
            return
        model = getattr(runner.model, 'module', runner.model)
        weights = state_dict_of(checkpoint, self.source)
        report = match_weights(model, weights, self.source, loaded_parts(model))
        print_log(str(report), runner.logger)
        # the rest as it is: mmengine would warn of every key that is missing or left over
        checkpoint['state_dict'] = {
            **model.state_dict(),
            **{key: weights[key] for key in report.loaded},
        }


def loaded_parts(model) -> tuple[str, ...]:
    """Parts of a model that ``load_from`` fills: all of them, but no classification head."""
    parts = dict.fromkeys(key.split('.', 1)[0] for key in model.state_dict())
    return tuple(part for part in parts if part != 'cls_head')
