"""Running a reference case of FGKVMemPred: converter -> public model -> figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from helpers import official_fgkvmempred as official
from helpers.official_models import draw_input, fill
from helpers.parity_cases import Case
from mmssl_video.checkpoints import (
    config_from_checkpoint,
    convert_file,
    load_checkpoint_file,
    load_full,
)
from mmssl_video.engine.optimizers import LARS
from mmssl_video.engine.schedulers.warmup_cosine import warmup_cosine
from mmssl_video.models.target_encoder import momentum_at

PREDICTOR = f'backbone.{official.PREDICTOR}'
# Figures of the released code's own evaluation while training, which no model here has.
ELSEWHERE = re.compile(r'(step\d+/)?(knn_rows|iter|other/seperate_loss(_\d+)?)$')


class FgkvCase(Case):
    """A reference file and the model it describes, rebuilt through the converter."""

    def __init__(self, path: Path, folder: Path):
        self.figures = dict(np.load(path))
        self.meta = json.loads(str(self.figures.pop('meta')))
        self.name, self.origin, self.folder = path.stem, 'fgkvmempred', folder
        for key in [
            key
            for key in self.figures
            if ELSEWHERE.match(re.sub(r'/(shape|mean|std|l2|idx|val)$', '', key))
        ]:
            del self.figures[key]
        module = self.meta['module']
        self.kind = next(
            kind
            for text, kind in (
                ('contrastive_forward', 'steps'),
                ('construct_optimizer', 'optimizer'),
                ('MemoryRecon(', 'memory'),
                ('downstream classifier', 'classifier'),
                ('target encoder', 'encoder'),
            )
            if text in module
        )
        self.settings = official.released_settings(
            self.meta['config'], self.meta.get('config_overrides', [])
        )
        if self.kind != 'optimizer':
            self._convert()

    def _convert(self):
        config, memory = self.meta['config'], self.settings['MEMORY']
        network, standalone = official.network_of(config), ''
        if self.kind == 'classifier':
            classes = int(self.settings['MODEL'].get('NUM_CLASSES', 101))
            shapes = official.classifier_shapes(network, classes)
        else:
            standalone = PREDICTOR if self.kind == 'memory' else ''
            is_mlp = 'pretrain' in config and 'fgkvmempred' not in config
            shapes = official.pretraining_shapes(
                network,
                'mlp' if is_mlp else 'memory',
                memory['N_MEMORY'],
                memory['N_CONCEPT'],
                memory['ADDRESS_TYPE'] == 'cosine',
            )
            if self.kind == 'encoder':  # filled as a network by itself, like a classifier
                standalone = 'backbone.'
        weights = official.filled(shapes, self.meta['salt'], standalone)
        source = official.save_official(weights, self.folder / 'released.pyth', self.settings)
        target = self.folder / 'ours.pth'
        self.conversion = convert_file(source, target, 'fgkvmempred', force=True)
        self.ours = {old.removeprefix(standalone): new for old, new in self.conversion.used.items()}
        checkpoint = load_checkpoint_file(target)
        self.model = MODELS.build(config_from_checkpoint(checkpoint).model)
        load_full(self.model, checkpoint, str(target))
        self.model.double().eval()
        source.unlink()
        target.unlink()

    def run(self) -> dict[str, torch.Tensor]:
        return getattr(self, f'_run_{self.kind}')()

    def _run_encoder(self):
        model, figures = self.model, {}
        model.backbone.bn1.register_forward_hook(
            lambda module, args, out: figures.update(s1=F.relu(out))
        )
        for number in (1, 2, 3, 4):
            name = f's{number + 1}'
            getattr(model.backbone, f'layer{number}').register_forward_hook(
                lambda module, args, out, name=name: figures.update({name: out.clone()})
            )
        with torch.no_grad():
            feature = model.extract_feat(self.input('clip')[:, None])
            figures['projection'] = model.projector(feature)
            figures['output_predict'] = model.predictor(figures['projection'])
        return {**figures, 'retrieval_feature': feature}

    def _run_classifier(self):
        """``pool_size`` makes further views of the positions of a map that is larger."""
        figures, model = {}, self.model
        scores = []
        model.cls_head.register_forward_hook(lambda module, args, out: scores.append(out))
        for number, name in enumerate(sorted(self.meta['inputs'])):
            inputs = self.input(name)[:, None]
            with torch.no_grad():
                samples = model.predict(inputs, [ActionDataSample() for _ in inputs])
            out = torch.stack([sample.pred_score for sample in samples])
            shape = tuple(self.figures[f'logits{number}/shape'])
            figures[f'out{number}'], figures[f'logits{number}'] = out, scores[-1].reshape(shape)
        return figures

    def _run_memory(self):
        """The predictor and the concept head by themselves, two forward passes."""
        model, figures, scale = self.model, {}, self.meta['inputs']['scale']
        model.train(self.meta['mode'].startswith('train'))
        shapes = self.meta['inputs']['step1']
        for step in (1, 2):
            given = {
                name: draw_input(seed + 10 * (step - 1), shape)
                for name, (seed, shape) in shapes.items()
            }
            source = (scale * given['source']).requires_grad_()
            target = scale * given['target']
            predicted = model.predictor(source)
            scale_of = {slot: loss.weight for slot, loss in model.losses.items()}
            similarity = scale_of['prediction'] * model.losses['prediction'](predicted, target)[0]
            terms, stats = model.compare_concepts(
                source, target, *(given[name].mean((2, 3, 4)) for name in ('feat', 'feat_target'))
            )
            if not model.training:  # the released centre moves in evaluation mode as well
                model.concepts.note(model.concepts.codes(target, model.concepts.target_concepts))
            total = similarity + sum(scale_of[slot] * term for slot, term in terms.items())
            found = dict(
                output_predict=predicted,
                center_after=model.concepts.centre[None].clone(),
                loss_source_recon=stats['concepts/recon_online'],
                loss_target_recon=stats['concepts/recon_target'],
                loss_kl=stats['concepts/align'],
                loss_sim=similarity,
                loss_total=total,
            )
            figures.update({f'step{step}/{name}': value for name, value in found.items()})
            if step == 1:
                total.backward()
                figures.update(self._gradients())
                figures['grad/source'], figures['gradnorm/source'] = source.grad, source.grad.norm()
        buffers = dict(model.named_buffers())
        for key in self.names('after/'):
            figures[key] = buffers[self.ours[key[len('after/') :]]]
        return figures

    def _gradients(self, prefix: str = '') -> dict[str, torch.Tensor]:
        # copies, since LARS scales gradients in place
        gradients = {
            name: parameter.grad.clone()
            for name, parameter in self.model.named_parameters()
            if parameter.grad is not None
        }
        figures = {}
        for kind in ('grad', 'gradnorm'):
            for key in self.names(f'{prefix}{kind}/'):
                name = key[len(f'{prefix}{kind}/') :]
                if name in self.ours:
                    grad = gradients[self.ours[name]]
                    figures[key] = grad if kind == 'grad' else grad.norm()
        figures[f'{prefix}gradnorm/total'] = torch.stack(
            [grad.norm() for grad in gradients.values()]
        ).norm()
        return figures

    def _run_steps(self):
        """Training steps: EMA first, then loss, gradients and LARS, as the hooks order them."""
        model, solver = self.model.train(), self.settings['SOLVER']
        base, per_step = map(
            int, re.search(r'seed = (\d+) \+ (\d+)\*k', self.meta['inputs']['clips']).groups()
        )
        shape = json.loads(re.search(r'shape (\[.*\])', self.meta['inputs']['clips'])[1])
        optimizer = LARS(
            model.parameters(),
            lr=1.0,
            momentum=solver['MOMENTUM'],
            weight_decay=solver['WEIGHT_DECAY'],
            nesterov=solver['NESTEROV'],
        )
        total, warmup = solver['MAX_EPOCH'], solver['WARMUP_EPOCHS']
        parameters = dict(model.named_parameters())
        predictions, goals, concepts = [], [], []
        model.predictor.register_forward_hook(lambda m, args, out: predictions.append(out))
        model.target_projector.register_forward_hook(lambda m, args, out: goals.append(out))
        if model.concepts is not None:
            model.losses['reconstruction'].register_forward_hook(
                lambda m, args, out: concepts.append(dict(out[1]))
            )
            model.losses['alignment'].register_forward_hook(
                lambda m, args, out: concepts[-1].update(out[1])
            )
        figures, momentum = {}, model.base_momentum
        model.update_target(0.0)  # at the very start the target is the online encoder
        for step, epoch in enumerate(self.meta['inputs']['epoch_exact'], 1):
            prefix = f'step{step}/'
            if step > 1:
                model.update_target(momentum)
            found = dict(momentum_used_for_ema=momentum)
            momentum = momentum_at(epoch / total, model.base_momentum)
            found['mmt_after_forward'] = momentum
            found['lr'] = optimizer.param_groups[0]['lr'] = warmup_cosine(
                epoch, total, warmup, solver['BASE_LR'], solver['WARMUP_START_LR']
            )
            for key in self.names(f'{prefix}ema/'):
                ours = self.ours['backbone_hist' + key[len(f'{prefix}ema/backbone') :]]
                figures[key] = parameters[ours].detach().clone()
            for captured in (predictions, goals, concepts):
                captured.clear()
            clips = [draw_input(base + per_step * step + clip, shape) for clip in (0, 1)]
            optimizer.zero_grad()
            model.parse_losses(model.loss(torch.stack(clips, 1)))[0].backward()
            queries = [
                -model.losses['prediction'].weight
                * F.cosine_similarity(predictions[clip], goals[1 - clip], dim=1).mean()
                for clip in (0, 1)
            ]
            found['partial_loss_logged'] = sum(queries) / 4
            for clip, suffix in enumerate(('', '_1')):
                found[f'other/loss_reg{suffix}'] = queries[clip]
                if concepts:
                    for theirs, ours in (
                        ('source_recon', 'recon_online'),
                        ('target_recon', 'recon_target'),
                        ('kl', 'align'),
                    ):
                        found[f'other/loss_{theirs}{suffix}'] = concepts[clip][f'concepts/{ours}']
            if model.concepts is not None:
                found['center'] = model.concepts.centre[None].clone()
            figures.update(
                {
                    prefix + name: torch.as_tensor(value, dtype=torch.float64)
                    for name, value in found.items()
                }
            )
            figures.update(self._gradients(prefix))
            before = {name: value.detach().clone() for name, value in parameters.items()}
            optimizer.step()
            for kind in ('update_norm', 'after'):
                for key in self.names(f'{prefix}{kind}/'):
                    name = self.ours[key[len(f'{prefix}{kind}/') :]]
                    value = parameters[name].detach()
                    figures[key] = (
                        value.clone() if kind == 'after' else (value - before[name]).norm()
                    )
        buffers = dict(model.named_buffers())
        for key in self.names('after/'):
            figures[key] = buffers[self.ours[key[len('after/') :]]]
        return figures

    def _run_optimizer(self):
        """LARS on the little network that the case names."""
        layers = re.search(r'nn\.Sequential\((.*)\)$', self.meta['module'])[1]
        network = torch.nn.Sequential(
            *(
                getattr(torch.nn, kind)(
                    *(int(n) for n in re.findall(r'\d+', arguments)),
                    **(dict(bias=False) if 'bias=False' in arguments else {}),
                )
                for kind, arguments in re.findall(r'(\w+)\(([^)]*)\)', layers)
            )
        ).double()
        for name, parameter in network.named_parameters():
            parameter.data = torch.from_numpy(
                np.asarray(fill(name, parameter.shape, self.meta['salt']))
            ).double()
        solver, given = self.settings['SOLVER'], self.meta['inputs']
        scale, seed, per_step = re.search(r'= ([\d.]+) \* inp\((\d+)\+(\d+)\*k', given).groups()
        rates = json.loads(re.search(r'lr per step (\[.*\])', given)[1])
        optimizer = LARS(
            network.parameters(),
            lr=1.0,
            momentum=solver['MOMENTUM'],
            weight_decay=solver['WEIGHT_DECAY'],
            nesterov=solver['NESTEROV'],
        )
        figures = {}
        for step, rate in enumerate(rates):
            optimizer.param_groups[0]['lr'] = rate
            for number, parameter in enumerate(network.parameters()):
                parameter.grad = float(scale) * draw_input(
                    int(seed) + int(per_step) * step + number, tuple(parameter.shape)
                )
            optimizer.step()
            for name, parameter in network.named_parameters():
                figures[f'step{step + 1}/{name}'] = parameter.detach().clone()
        return figures
