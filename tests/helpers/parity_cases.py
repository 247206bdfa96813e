"""Running a reference case: official layout -> convert_checkpoint -> public model -> figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from helpers import official_models as official
from mmssl_video.checkpoints import (
    config_from_checkpoint,
    convert_file,
    load_checkpoint_file,
    load_full,
)

CASES = official.DATA / 'cases'
# Relative to the RMS of the reference; what is below the floor is compared absolutely.
TOLERANCE, GRADIENT_TOLERANCE, FLOOR = 1e-6, 1e-5, 1e-12


class Case:
    """A reference file and the model it describes, rebuilt through the converter."""

    def __init__(self, path: Path, folder: Path):
        self.figures = dict(np.load(path))
        self.meta = json.loads(str(self.figures.pop('meta')))
        self.name = path.stem
        self.origin = self.name.split('_', 1)[0]
        kind, arguments = re.search(r'(\w+)\((.*)\)', self.meta['module']).groups()
        self.kind = kind
        self.arguments = dict(re.findall(r"(\w+)='?(\w+(?:\.\d+)?)'?", arguments))
        self.folder = folder
        self._convert()

    def argument(self, name: str, default: int) -> int:
        return int(self.arguments.get(name, default))

    def _convert(self):
        network = re.search(r'resnet(\d+)', self.meta['module'])
        settings = dict(depth=int(network[1]) if network else 18)
        standalone = ''
        if self.kind == 'LC':
            settings['num_classes'] = self.argument('num_class', 101)
        elif self.kind == 'MemDPC_BD':
            settings['num_slots'] = self.argument('mem_size', 1024)
        elif self.kind == 'ConvGRU':
            standalone = 'agg.'
            settings.update(
                num_layers=self.argument('num_layers', 1), kernel=self.argument('kernel_size', 1)
            )
        elif self.kind.endswith('_2d3d_full'):
            standalone = 'backbone.'
            settings['running_stats'] = self.arguments['track_running_stats'] == 'True'
        weights = official.filled(
            official.model_shapes(self.origin, **settings), self.meta['salt'], standalone
        )
        source = official.save_official(weights, self.folder / 'released.pth.tar', self.origin)
        target = self.folder / 'ours.pth'
        self.conversion = convert_file(
            source,
            target,
            self.origin,
            num_blocks=self.argument('num_seq', 8),
            pred_steps=self.argument('pred_step', 3),
        )
        self.ours = dict(self.conversion.used.items())
        if standalone:
            self.ours = {
                old[len(standalone) :]: new
                for old, new in self.ours.items()
                if old.startswith(standalone)
            }
        checkpoint = load_checkpoint_file(target)
        self.model = MODELS.build(config_from_checkpoint(checkpoint).model)
        load_full(self.model, checkpoint, str(target))
        self.model.double().eval()

    def input(self, name: str = 'block') -> torch.Tensor:
        return official.draw_input(**{k: self.meta['inputs'][name][k] for k in ('seed', 'shape')})

    def run(self) -> dict[str, torch.Tensor]:
        """Figures by the names of the reference."""
        if self.kind == 'ConvGRU':
            return self._run_gru()
        if self.kind.endswith('_2d3d_full'):
            figures = self._run_backbone()
        elif self.kind == 'LC':
            figures = self._run_classifier()
        else:
            figures = self._run_pretraining()
        buffers = dict(self.model.named_buffers())
        for key in self.names('after/'):
            figures[key] = buffers[self.ours[key[len('after/') :]]]
        return figures

    def names(self, prefix: str = '') -> list[str]:
        """Names of the reference's figures, without those of its summaries."""
        names = []
        for key in self.figures:
            name = re.sub(r'/(shape|mean|std|l2|idx|val)$', '', key)
            if name.startswith(prefix) and name not in names:
                names.append(name)
        return names

    def _run_gru(self):
        x, first = self.input('x'), self.input('h0')
        figures = {}
        for prefix, state in (('', None), ('cont/', first)):
            output, last = self.model.neck(x, state)
            figures[f'{prefix}output'], figures[f'{prefix}last_state'] = output, last.movedim(0, 1)
        return figures

    def _run_backbone(self):
        backbone, figures = self.model.backbone, {}
        backbone.train(self.meta['mode'].startswith('train'))
        for name in ('layer1', 'layer2', 'layer3', 'layer4'):
            getattr(backbone, name).register_forward_hook(
                lambda module, args, out, name=name: figures.update({name: out.detach().clone()})
            )
        figures['out'] = backbone(self.input('x'))
        return figures

    def _run_pretraining(self):
        model = self.model
        if self.meta['mode'].startswith('train'):
            model.train()
            model.neck.dropout = 0.0
        maps, states, contexts, pairs = [], [], [], []
        model.backbone.register_forward_hook(lambda m, args, out: maps.append(out))
        model.neck.register_forward_hook(lambda m, args, out: states.append(out[1]))
        model.predictor.register_forward_pre_hook(lambda m, args: contexts.append(args[0]))
        model.losses['prediction'].register_forward_pre_hook(lambda m, args: pairs.append(args))
        losses = model.loss(self.input())
        losses['loss_prediction'].backward()
        figures = {'loss': losses['loss_prediction']}
        scores = [
            torch.einsum('bpchw,qrcyx->bphwqryx', *pair).flatten(4).flatten(0, 3) for pair in pairs
        ]
        if self.origin == 'dpc':
            steps, places = pairs[0][0].shape[1], pairs[0][0].shape[-2:].numel()
            figures.update(
                backbone_out=maps[0],
                context=states[0][-1][:, None],
                pred=pairs[0][0],
                score_flat=scores[0],
                target=torch.arange(len(scores[0])),
                mask_counts=self._kinds_of_negatives(len(scores[0]), steps, places),
            )
            figures.update({f'top{k}': losses[f'top{k}'] for k in (1, 3, 5)})
        else:
            half = len(contexts) // 2
            figures['context_feature'] = states[0][-1][:, None]
            for direction, name in enumerate(('forward', 'backward')):
                figures[f'loss_{name}'] = losses[f'{name}/nce']
                figures[f'score_{name}'] = scores[direction]
                figures.update({f'top{k}_{name}': losses[f'{name}/top{k}'] for k in (1, 5)})
                probability = [
                    model.predictor.address(context.movedim(1, -1)).movedim(-1, 1)
                    for context in contexts[direction * half : (direction + 1) * half]
                ]
                figures[f'memory_prob_{name}'] = torch.stack(probability, 1)
        return {**figures, **self._gradients()}

    def _kinds_of_negatives(self, rows: int, steps: int, places: int) -> torch.Tensor:
        """Entries of the score matrix by kind: positive, temporal, spatial, easy.

        Where all scores are equal every negative counts as "not below the positive", so the loss
        counts its own negatives.
        """
        from mmssl_video.models.losses.dense_info_nce import _ChunkedInfoNCE

        zeros = torch.zeros(rows, 1)
        _, beaten = _ChunkedInfoNCE.apply(zeros, zeros, 0, steps, places, 2**20)
        return torch.cat([torch.tensor([rows]), beaten.sum(0)])

    def _run_classifier(self):
        model = self.model
        head, figures = model.cls_head, {}
        inputs, mode = self.input(), self.meta['mode']
        if mode.startswith('train'):
            model.train()
        elif mode.startswith('linear probe'):
            head.train()
            model.backbone.requires_grad_(False)
            model.neck.requires_grad_(False)
        model.neck.dropout = head.dropout.p = 0.0
        captured = []
        head.bn.register_forward_hook(lambda m, args, out: captured.append(out))
        head.register_forward_hook(lambda m, args, out: captured.append(out))
        if 'loss' in self.figures:
            target = torch.tensor([7 * i % head.num_classes for i in range(len(inputs))])
            samples = [ActionDataSample().set_gt_label(int(label)) for label in target]
            figures.update(target=target, loss=model.loss(inputs, samples)['loss_cls'])
            figures['loss'].backward()
            figures.update(self._gradients())
        else:
            # the clips are the windows of one video, whose scores are averaged
            with torch.no_grad():
                (sample,) = model.predict(inputs.flatten(0, 1)[None], [ActionDataSample()])
            figures['prob_mean'] = sample.pred_score[None]
        figures['context_after_bn'], figures['logits'] = (x[:, None] for x in captured)
        if 'prob_mean' in self.figures and 'prob_mean' not in figures:
            figures['prob_mean'] = captured[1].softmax(-1).mean(0, True)
        return figures

    def _gradients(self) -> dict[str, torch.Tensor]:
        gradients = {
            name: parameter.grad
            for name, parameter in self.model.named_parameters()
            if parameter.grad is not None
        }
        figures = {}
        for key in self.names('grad/'):
            name = key[len('grad/') :]
            figures[key] = gradients[self.ours[name]].reshape(tuple(self.figures[f'{key}/shape']))
            figures[f'gradnorm/{name}'] = figures[key].norm()
        if 'gradnorm/total' in self.figures:
            figures['gradnorm/total'] = torch.stack([g.norm() for g in gradients.values()]).norm()
        return figures

    def compare(self, figures: dict[str, torch.Tensor]) -> list[str]:
        """Sentences on what differs; raises when a reference figure was not computed at all."""
        absent = sorted(set(self.names()) - set(figures))
        assert not absent, f'{self.name}: not computed: {absent}'
        faults = []
        for name in self.names():
            got = figures[name].detach().double().numpy()
            if f'{name}/shape' in self.figures:
                shape = tuple(self.figures[f'{name}/shape'])
                if got.shape != shape:
                    faults.append(f'{name}: shape {got.shape}, not {shape}')
                    continue
            faults.extend(self._differences(name, got))
        return faults

    def _differences(self, name: str, got: np.ndarray):
        stored = self.figures
        tolerance = GRADIENT_TOLERANCE if name.startswith('grad') else TOLERANCE

        def check(what, value, expected, scale):
            limit = tolerance * scale if scale > FLOOR else FLOOR
            worst = np.abs(np.asarray(value, float) - np.asarray(expected, float)).max()
            if not worst <= limit:
                yield f'{name}{what}: off by {worst:.3g}, allowed {limit:.3g}'

        if f'{name}/shape' not in stored:  # scalars, whole small tensors, integers
            expected = stored[name]
            if got.shape != expected.shape:
                yield f'{name}: shape {got.shape}, not {expected.shape}'
            elif name.startswith('top'):
                yield from check('', got, expected, 1.0)
            elif np.issubdtype(expected.dtype, np.integer):
                if not (got == expected).all():
                    yield f'{name}: {got}, not {expected}'
            else:
                rms = np.sqrt(np.mean(np.square(expected, dtype=float)))
                yield from check('', got, expected, rms)
            return
        mean, std, l2 = (float(stored[f'{name}/{kind}']) for kind in ('mean', 'std', 'l2'))
        rms = np.hypot(mean, std)
        yield from check('/mean', got.mean(), mean, rms)
        yield from check('/std', got.std(), std, rms)
        yield from check('/l2', np.linalg.norm(got), l2, l2)
        if name in stored:
            yield from check('', got, stored[name], rms)
        else:
            yield from check('/val', got.ravel()[stored[f'{name}/idx']], stored[f'{name}/val'], rms)
