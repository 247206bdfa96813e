"""The checkpoints of the FGKVMemPred authors (``.pyth``), brought into our layout.

The network is read off names and shapes of the weights. What they cannot tell (the scale r, kinds
and weights of the losses, momentum, input size) stands in the file's ``cfg``, the YAML text of the
authors' settings; without it the values of the released configs are taken. Where these differ among
themselves (the max-pool of a Slow-R18's stem) the caller is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
import yaml

from .conversion import Adapter, Conversion, complete
from .io import CheckpointError, some, state_dict_of

_DEPTHS = {(1, 1, 1, 1): 10, (2, 2, 2, 2): 18, (3, 4, 6, 3): 34}
# Pairs of prefixes, the authors' and ours; the first that fits counts, in both directions.
_STEM = (('conv.', 'conv1.'), ('bn.', 'bn1.'))
_STEM_2PLUS1D = (
    ('conv1.', 'conv1.spatial.'),
    ('bn1.', 'conv1.bn.'),
    ('conv2.', 'conv1.temporal.'),
    ('bn2.', 'bn1.'),
)
_SHORTCUT = (
    ('branch1_bn.', 'downsample.1.'),
    ('branch1.0.', 'downsample.0.spatial.'),
    ('branch1.1.', 'downsample.0.bn.'),
    ('branch1.3.', 'downsample.0.temporal.'),
    ('branch1.', 'downsample.0.'),
)
_BLOCK = (
    *_SHORTCUT,
    ('branch2.a_bn.', 'bn1.'),
    ('branch2.b_bn.', 'bn2.'),
    ('branch2.a.', 'conv1.'),
    ('branch2.b.', 'conv2.'),
)
_BARE_BLOCK = (*_SHORTCUT, ('branch2.', 'conv1.'))  # res5's changed first block
_BLOCK_2PLUS1D = (
    *_SHORTCUT,
    ('branch2.a_bn1.', 'bn1.'),
    ('branch2.a_bn.', 'conv1.bn.'),
    ('branch2.a_conv2.', 'conv1.temporal.'),
    ('branch2.a.', 'conv1.spatial.'),
    ('branch2.b_bn1.', 'bn2.'),
    ('branch2.b_bn.', 'conv2.bn.'),
    ('branch2.b_conv2.', 'conv2.temporal.'),
    ('branch2.b.', 'conv2.spatial.'),
)
_PREDICTOR = 'backbone.head.predictors.0.'
_HEADS = (
    ('backbone.head.projection.projection.', 'projector.mlp.'),
    ('backbone_hist.head.projection.projection.', 'target_projector.mlp.'),
    *(
        (_PREDICTOR + theirs, ours)
        for theirs, ours in (
            ('projection.', 'predictor.mlp.'),
            ('cross_branch.projection.', 'predictor.mlp.'),
            ('in_proj_cross.projection.', 'predictor.phi.'),
            ('cross_mem', 'predictor.values'),
            ('cross_key.weight_v', 'predictor.keys'),
            ('source_key.weight_v', 'concepts.online_concepts'),
            ('source_key.weight', 'concepts.online_concepts'),
            ('target_key.weight_v', 'concepts.target_concepts'),
            ('target_key.weight', 'concepts.target_concepts'),
            ('source_recon.projection.', 'concepts.online_dictionary.'),
            ('target_recon.projection.', 'concepts.target_dictionary.'),
            ('dino_loss.center', 'concepts.centre'),
        )
    ),
    ('head.projection.', 'cls_head.fc.'),
)
_IGNORED = (
    (r'ptr|queue_x|iter', 'bookkeeping of the training that no model here has'),
    (r'knn_mem\.memory', 'features of the training videos for an evaluation while training'),
    (r'backbone_hist\.head\.predictors\..*', "the target encoder's copy of the predictor, unused"),
    (r'backbone\.head\.predictors\.0\.\w+_key\.weight_g', 'frozen at 1 and unused'),
)
_PREPROCESSOR = dict(
    type='ActionDataPreprocessor',
    mean=[114.75, 114.75, 114.75],
    std=[57.375, 57.375, 57.375],
    format_shape='NCTHW',
)


def settings_of(checkpoint: Mapping, source: str = 'the checkpoint') -> dict[str, Any]:
    """The authors' settings inside a checkpoint, parsed as data; {} where there are none.

    Raises:
        CheckpointError: The text is no YAML mapping, or asks for objects.
    """
    text = checkpoint.get('cfg')
    if not isinstance(text, str):
        return {}
    try:
        settings = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = ' '.join(str(getattr(error, 'problem', None) or error).split())
        raise CheckpointError(f"{source}: its 'cfg' is no plain YAML ({reason}).") from None
    if not isinstance(settings, dict):
        raise CheckpointError(
            f"{source}: its 'cfg' holds a {type(settings).__name__} and not the "
            "settings of FGKVMemPred's code."
        )
    return settings


def convert(
    given: dict[str, torch.Tensor],
    settings: dict,
    target: str | None,
    source: str,
    stem_pool: bool | None = None,
) -> Conversion:
    """Convert weights of a released model; see :func:`.official.convert_official`."""
    _refuse_foreign(given, source)
    is_classifier = not any(key.startswith('backbone.') for key in given)
    target = target or ('classifier' if is_classifier else 'full')
    if target == 'classifier' and not is_classifier:
        raise CheckpointError(
            f'{source} is a pre-training checkpoint without a classifier: '
            'convert it with --to encoder and train a classifier on it.'
        )
    if target == 'full' and is_classifier:
        raise CheckpointError(
            f'{source} is a classifier without a predictor: convert it with --to '
            'classifier or --to encoder.'
        )
    encoder = '' if is_classifier else 'backbone.'
    renamed, ignored = _rename(given, encoder)
    reader = _Reader(renamed, settings, source)
    backbone = reader.backbone(stem_pool)
    parts = dict(
        encoder=('backbone',),
        classifier=('backbone', 'cls_head'),
        full=(
            'backbone',
            'projector',
            'predictor',
            'concepts',
            'target_backbone',
            'target_projector',
        ),
    )[target]
    if target == 'classifier':
        model = dict(type='ClipClassifier', backbone=backbone, **reader.classifier(backbone))
    elif target == 'full':
        model = dict(type='BYOL', backbone=backbone, **reader.pretraining())
    else:  # any projector makes the recognizer of an encoder whole; it has no weights here
        width = 8 * backbone['base_channels']
        small = dict(in_channels=width, hidden_channels=width, out_channels=width)
        model = dict(
            type='BYOL',
            backbone=backbone,
            projector=dict(type='ProjectionMLP', **small),
            predictor=dict(type='MLPPredictor', batch_norm=True, **small),
        )
    model['data_preprocessor'] = reader.preprocessor()
    if target == 'full' and model['concepts'] is None:
        parts = tuple(part for part in parts if part != 'concepts')
    weights, used = {}, {}
    for key, (old, value) in renamed.items():
        if key.split('.', 1)[0] in parts:
            weights[key], used[old] = value, key
        else:
            why = (
                'no concepts are rebuilt by this model'
                if target == 'full'
                else f'not part of --to {target}'
            )
            ignored[old] = why
    missing = complete(
        weights,
        model,
        parts,
        'fgkvmempred',
        source,
        lambda key: _official_name(key, renamed, encoder),
    )
    return Conversion(weights, model, target, used, ignored, missing)


def pipeline(conversion: Conversion, settings: dict, size: int | None = None) -> list[dict]:
    """The frames a model was trained on, from which views are derived, without augmentation.

    Args:
        conversion: The converted model.
        settings: See :func:`settings_of`.
        size: Side of the frames in pixels, where the settings do not tell.
    """
    data = settings.get('DATA', {})
    is_slow = conversion.model['backbone']['kind'] == 'slow'
    size = size or data.get('TRAIN_CROP_SIZE', 224 if is_slow else 112)
    return [
        dict(type='VideoInit'),
        dict(
            type='SampleWindow',
            num_frames=data.get('NUM_FRAMES', 8 if is_slow else 16),
            stride=data.get('SAMPLING_RATE', 8 if is_slow else 4),
            mode='random',
            num_windows=1 if conversion.target == 'classifier' else 2,
            short='loop',
        ),
        dict(type='DecodeFrames'),
        dict(type='Resize', scale=(size, size), keep_ratio=False),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]


def _refuse_foreign(given: dict, source: str) -> None:
    if any(key.startswith(('target_backbone.', 'backbone.layer1.0.conv1')) for key in given):
        raise CheckpointError(
            f"{source} is a checkpoint of ours, or of DPC's and MemDPC's "
            'authors, and none of FGKVMemPred.'
        )
    if not any(re.match(r'(backbone\.)?s1\.pathway0_stem\.', key) for key in given):
        raise CheckpointError(
            f'{source} is not a fgkvmempred checkpoint: it has no '
            f'backbone.s1.pathway0_stem.* keys, but {some(list(given))}.'
        )


def _replace(key: str, pairs: tuple, inverse: bool = False) -> str | None:
    for theirs, ours in pairs:
        old, new = (ours, theirs) if inverse else (theirs, ours)
        if key.startswith(old):
            return new + key[len(old) :]
    return None


def _block_pairs(names, stem: str) -> tuple:
    """The pairs of a residual block, given the names (without the block's own) in it."""
    if any(name.startswith(f'{stem}branch2.a_conv2.') for name in names):
        return _BLOCK_2PLUS1D
    return _BARE_BLOCK if f'{stem}branch2.weight' in names else _BLOCK


def _our_encoder_name(rest: str, names) -> str | None:
    """Our name of a key of an encoder, without the names of encoder and network part."""
    if rest.startswith('s1.pathway0_stem.'):
        is_2plus1d = 's1.pathway0_stem.conv1.weight' in names
        return _replace(rest[len('s1.pathway0_stem.') :], _STEM_2PLUS1D if is_2plus1d else _STEM)
    match = re.match(r's([2-5])\.pathway0_res(\d+)\.', rest)
    if not match:
        return None
    ours = _replace(rest[match.end() :], _block_pairs(names, match[0]))
    return ours and f'layer{int(match[1]) - 1}.{int(match[2])}.{ours}'


def _rename(given: dict, encoder: str) -> tuple[dict, dict]:
    """Our name -> (official name, tensor), and the reasons for leaving keys out."""
    renamed, ignored = {}, {}
    names = {
        prefix: {key[len(prefix) :] for key in given if key.startswith(prefix)}
        for prefix in {encoder, 'backbone_hist.'}
    }
    for key, value in given.items():
        reason = next((why for pattern, why in _IGNORED if re.fullmatch(pattern, key)), None)
        if reason:
            ignored[key] = reason
            continue
        ours = _replace(key, _HEADS)
        if ours is None:
            prefix = 'backbone_hist.' if key.startswith('backbone_hist.') else encoder
            ours = _our_encoder_name(key[len(prefix) :], names[prefix])
            part = 'target_backbone.' if prefix == 'backbone_hist.' else 'backbone.'
            is_encoder = key.startswith(tuple(f'{prefix}s{stage}.' for stage in range(1, 6)))
            # what is unknown keeps its name, has no place in the model and is refused there
            ours = f'{part}{ours or key}' if is_encoder else f'predictor.{key}'
        if ours == 'concepts.centre':
            value = value.flatten()
        renamed[ours] = (key, value)
    return renamed, ignored


def _official_name(key: str, renamed: dict, encoder: str) -> str:
    """The authors' name of one of our keys, for messages."""
    if key in renamed:
        return renamed[key][0]
    theirs = _replace(key, _HEADS, inverse=True)
    if theirs:
        return re.sub(r'(source|target)_key\.weight_v', r'\1_key.weight', theirs)
    part, rest = key.split('.', 1)
    prefix = 'backbone_hist.' if part == 'target_backbone' else encoder
    is_2plus1d = 'backbone.conv1.spatial.weight' in renamed
    match = re.match(r'layer([1-4])\.(\d+)\.', rest)
    if match:
        pairs = _BLOCK_2PLUS1D if is_2plus1d else _BLOCK
        return (
            f'{prefix}s{int(match[1]) + 1}.pathway0_res{match[2]}.'
            f'{_replace(rest[match.end() :], pairs, inverse=True)}'
        )
    return (
        f'{prefix}s1.pathway0_stem.'
        f'{_replace(rest, _STEM_2PLUS1D if is_2plus1d else _STEM, inverse=True)}'
    )


class _Reader:
    """Reads the config of the parts of a model from its weights and the authors' settings."""

    def __init__(self, renamed: dict, settings: dict, source: str):
        self.shapes = {key: tuple(value.shape) for key, (_, value) in renamed.items()}
        self.settings, self.source, self.renamed = settings, source, renamed

    def setting(self, name: str, default):
        """``'MEMORY.RADIUS'`` of the settings; the value of the released configs by default."""
        section, key = name.split('.')
        return (self.settings.get(section) or {}).get(key, default)

    def choice(self, name: str, default, choices: dict):
        """A setting translated by ``choices``; others are refused."""
        value = self.setting(name, default)
        if value not in choices:
            raise CheckpointError(
                f'{self.source} was trained with {name}={value!r}; only '
                f'{", ".join(map(repr, choices))} can be converted'
                + ('; --to encoder converts its backbone.' if name.startswith('MEMORY.') else '.')
            )
        return choices[value]

    def shape(self, key: str, ndim: int) -> tuple[int, ...]:
        if key not in self.shapes:
            name = _official_name(key, self.renamed, self.encoder)
            raise CheckpointError(f'{self.source} lacks {name}, which the conversion needs.')
        if len(self.shapes[key]) != ndim:
            raise CheckpointError(
                f'{self.source}: {self.renamed[key][0]} has shape '
                f'{self.shapes[key]}, not {ndim} dimensions.'
            )
        return self.shapes[key]

    @property
    def encoder(self) -> str:
        return (
            'backbone.'
            if any(old.startswith('backbone.') for old, _ in self.renamed.values())
            else ''
        )

    def backbone(self, stem_pool: bool | None) -> dict:
        config = dict(type='VideoResNet', depth=self._depth())
        if 'backbone.conv1.spatial.weight' in self.shapes:
            middle, in_channels = self.shape('backbone.conv1.spatial.weight', 5)[:2]
            config.update(
                kind='r2plus1d',
                base_channels=self.shape('backbone.conv1.temporal.weight', 5)[0],
                stem_middle=middle,
                factorised_shortcut=any('downsample.0.temporal.' in key for key in self.shapes),
            )
        else:
            width, in_channels, time = self.shape('backbone.conv1.weight', 5)[:3]
            config.update(kind='slow' if time == 1 else 'r3d', base_channels=width)
            if time == 1:
                config['stem_pool'] = self._stem_pool(stem_pool)
            elif (
                'backbone.layer4.0.conv1.weight' in self.shapes
                and 'backbone.layer4.0.conv2.weight' not in self.shapes
            ):
                config['last_stage'] = 'released'
        if stem_pool is not None and config['kind'] != 'slow':
            raise CheckpointError(
                f'{self.source} holds an encoder of kind {config["kind"]}, whose stem never pools: '
                '--stem-pool is for Slow-R18.'
            )
        if in_channels != 3:
            config['in_channels'] = in_channels
        return config

    def _stem_pool(self, asked: bool | None) -> bool:
        """Whether a Slow stem ends with a max-pool, which leaves no trace in the weights."""
        told = None
        if self.setting('RESNET.STEM_FUNC', None) is not None:
            told = self.choice('RESNET.STEM_FUNC', None, dict(basic_stem=True, r3d_stem=False))
        if told is None and asked is None:
            raise CheckpointError(
                f'{self.source} is a Slow-R18 without settings that tell whether its stem pools: '
                'say --stem-pool yes (the released pre-training on Kinetics, and fine-tuned or '
                'probed models) or --stem-pool no (the released pre-training on UCF101).'
            )
        if None not in (told, asked) and told != asked:
            raise CheckpointError(
                f'{self.source} was trained with RESNET.STEM_FUNC='
                f'{self.setting("RESNET.STEM_FUNC", None)!r}, whose stem '
                f'{"pools" if told else "does not pool"}: leave --stem-pool out.'
            )
        return bool(asked if told is None else told)

    def _depth(self) -> int:
        counts = [0] * 4
        for key in self.shapes:
            match = re.match(r'backbone\.layer([1-4])\.(\d+)\.', key)
            if match:
                stage = int(match[1]) - 1
                counts[stage] = max(counts[stage], int(match[2]) + 1)
        # the smallest network with all these blocks; the completeness check names missing ones
        for blocks, depth in _DEPTHS.items():
            if all(have <= want for have, want in zip(counts, blocks)):
                return depth
        raise CheckpointError(
            f'{self.source} has {tuple(counts)} blocks per stage; supported are '
            f'{", ".join(map(str, _DEPTHS))}.'
        )

    def pretraining(self) -> dict:
        """Everything of a BYOL model but the backbone."""
        for name in ('PREDICT_RESIDUAL', 'USE_SPARSE', 'USE_OUTPUT_PROJ'):
            self.choice(f'MEMORY.{name}', False, {False: False})
        if self.setting('MEMORY.RECON_TYPE', None) == 'memory':
            raise CheckpointError(
                f"{self.source} was trained with MEMORY.RECON_TYPE='memory', which cannot be "
                'converted; --to encoder converts its backbone.'
            )
        hidden, width = self.shape('projector.mlp.0.weight', 2)
        code = self.shape('projector.mlp.3.weight', 2)[0]
        temperature = self.setting('CONTRASTIVE.T', 0.5)
        if not isinstance(temperature, (int, float)) or not temperature > 0:
            raise CheckpointError(f'{self.source}: CONTRASTIVE.T={temperature!r} is not positive.')
        concepts = self._concepts(code, width)
        return dict(
            projector=dict(
                type='ProjectionMLP', in_channels=width, hidden_channels=hidden, out_channels=code
            ),
            predictor=self._predictor(code),
            concepts=concepts,
            losses=dict(
                prediction=dict(type='CosinePredictionLoss', weight=1 / temperature),
                **(self._concept_losses() if concepts else {}),
            ),
            base_momentum=self.setting('CONTRASTIVE.MOMENTUM', 0.996),
            view_reduction='sum',
        )

    def _concept_losses(self) -> dict:
        shares = [
            self.setting(f'MEMORY.LOSS_{branch}_RECON', 0.1) for branch in ('SOURCE', 'TARGET')
        ]
        same = shares[0] == shares[1]
        aligned = self.setting('MEMORY.USE_ALIGN', True)
        return dict(
            reconstruction=dict(
                type='ConceptReconstructionLoss',
                weight=shares[0] if same else 1.0,
                shares=[1.0, 1.0] if same else shares,
                distance=self.choice(
                    'MEMORY.RECON_LOSS_TYPE', 'cosine', dict(cosine='cosine', l2='l2')
                ),
                average=self.choice('MEMORY.AVERAGE_DIM', -1, {0: 'batch', -1: 'elements'}),
            ),
            alignment=dict(
                type='ConceptAlignmentLoss',
                weight=self.setting('MEMORY.LOSS_KL', 0.01) if aligned else 0.0,
                online_temperature=self.setting('MEMORY.DINO_TEMP_S', 0.05),
                target_temperature=self.setting('MEMORY.DINO_TEMP_T', 0.05),
                centring='subtract',
            ),
        )

    def _predictor(self, code: int) -> dict:
        if 'predictor.mlp.0.weight' in self.shapes:
            return dict(
                type='MLPPredictor',
                in_channels=code,
                batch_norm=True,
                hidden_channels=self.shape('predictor.mlp.0.weight', 2)[0],
                out_channels=self.shape('predictor.mlp.3.weight', 2)[0],
            )
        hidden, in_channels = self.shape('predictor.phi.0.weight', 2)
        heads = self.setting('MEMORY.N_HEAD', 1)
        slots, width = self.shape('predictor.values', 2)
        return dict(
            type='KeyValueMemory',
            in_channels=in_channels,
            out_channels=heads * width,
            num_slots=slots,
            key_channels=self.shape('predictor.phi.3.weight', 2)[0],
            hidden_channels=hidden,
            scale=float(self.setting('MEMORY.RADIUS', 16)),
            heads=heads,
        )

    def _concepts(self, code: int, width: int) -> dict | None:
        if not any(key.startswith(('concepts.online_', 'concepts.target_')) for key in self.shapes):
            return None
        count = self.shape('concepts.online_concepts', 2)[0]
        is_cosine = any(old.endswith('source_key.weight_v') for old, _ in self.renamed.values())
        return dict(
            type='ConceptDictionaries',
            in_channels=code,
            feature_channels=width,
            num_concepts=count,
            hidden_channels=self.shape('concepts.online_dictionary.0.weight', 2)[0],
            centre_update='forward',
            cosine_codes=is_cosine,
        )

    def classifier(self, backbone: dict) -> dict:
        """Head of a classifier, and the extent of its pooling where the settings tell."""
        classes, width = self.shape('cls_head.fc.weight', 2)
        head = dict(
            type='ContextHead',
            in_channels=width,
            num_classes=classes,
            batch_norm=False,
            dropout=self.setting('MODEL.DROPOUT_RATE', 0.5),
            average_clips='prob',
        )
        frames, side = (
            self.setting('DATA.NUM_FRAMES', None),
            self.setting('DATA.TRAIN_CROP_SIZE', None),
        )
        if frames is None or side is None:
            return dict(cls_head=head)
        slow = backbone['kind'] == 'slow'
        time = 1 if slow else 4 if self.setting('MODEL.MODIFY_LAST', True) else 8
        space = 32 if slow else 16
        return dict(cls_head=head, pool_size=[max(frames // time, 1), *[max(side // space, 1)] * 2])

    def preprocessor(self) -> dict:
        """Normalisation; the authors' settings are for values in [0, 1]."""
        values = dict(_PREPROCESSOR)
        for name, key in (('mean', 'DATA.MEAN'), ('std', 'DATA.STD')):
            given = self.setting(key, None)
            if given is not None:
                values[name] = [255 * value for value in given]
        return values


def _read(checkpoint, target, num_blocks, pred_steps, source, stem_pool):
    given = state_dict_of(checkpoint.get('model_state', checkpoint), source)
    return convert(given, settings_of(checkpoint, source), target, source, stem_pool)


def _frames(conversion, checkpoint, num_blocks, size, source):
    return pipeline(conversion, settings_of(checkpoint, source), size)


FGKVMEMPRED = Adapter(_read, _frames)
