"""Classifiers on top of encoders: heads, freezing, views, preprocessing."""

import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import nn

from mmssl_video.engine.optim_wrappers import TrainableParamsConstructor

CONTEXT = dict(
    type='ContextClassifier',
    backbone=dict(type='ResNet2d3d', depth=18, base_channels=4, norm_cfg=dict(type='BN')),
    neck=dict(type='ConvGRU', in_channels=16, hidden_channels=8, dropout=0.1, bidirectional=True),
    cls_head=dict(type='ContextHead', num_classes=6, dropout=0.0),
    num_blocks=2,
)
CLIP = dict(
    type='ClipClassifier',
    backbone=dict(
        type='ResNet3dSlowOnly', depth=18, base_channels=4, pretrained=None, in_channels=3
    ),
    cls_head=dict(type='ContextHead', num_classes=6, dropout=0.0, batch_norm=False),
)
PREPROCESSOR = dict(
    type='ClassifierPreprocessor', mean=[100.0, 110.0, 120.0], std=[50.0, 60.0, 70.0]
)


def build(cfg, **changes):
    torch.manual_seed(0)
    model = MODELS.build(dict(copy.deepcopy(cfg), data_preprocessor=PREPROCESSOR, **changes))
    for name, buffer in model.named_buffers():  # of a trained encoder they are not 0 and 1
        if name.endswith('running_mean'):
            buffer.normal_(std=0.1)
        elif name.endswith('running_var'):
            buffer.uniform_(0.5, 1.5)
    return model


def batch(clips, size=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(
        0, 256, (size, clips, 3, 4, 32, 32), generator=generator, dtype=torch.uint8
    )
    return dict(
        inputs=list(frames),
        data_samples=[ActionDataSample().set_gt_label(i % 6) for i in range(size)],
    )


def wrap(model, optimizer, paramwise_cfg=None):
    return TrainableParamsConstructor(dict(optimizer=optimizer), paramwise_cfg)(model)


def train_steps(model, clips, steps=3):
    wrapper = wrap(model, dict(type='AdamW', lr=0.1, weight_decay=0.5))
    model.train()
    for step in range(steps):
        model.train_step(batch(clips, seed=step), wrapper)
    return wrapper


def changed(model, before):
    return {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}


@pytest.mark.parametrize(('cfg', 'clips'), [(CONTEXT, 2), (CLIP, 1)], ids=['context', 'clip'])
class TestFreezing:
    def test_frozen_means_frozen(self, cfg, clips):
        model = build(cfg, frozen=True)
        before = copy.deepcopy(model.state_dict())
        wrapper = train_steps(model, clips)
        moved = changed(model, before)
        assert moved == {key for key in before if key.startswith('cls_head.')}
        held = {id(p) for group in wrapper.optimizer.param_groups for p in group['params']}
        assert held == {id(p) for p in model.cls_head.parameters()}
        assert not any(module.training for part in model.encoder_parts for module in part.modules())
        assert model.cls_head.training
        assert not model.features(torch.zeros(1, clips, 3, 4, 32, 32)).requires_grad

    def test_batch_norm_in_train_mode_moves_running_statistics_alone(self, cfg, clips):
        model = build(cfg, frozen=True, norm_eval=False)
        before = copy.deepcopy(model.state_dict())
        train_steps(model, clips)
        moved = {key for key in changed(model, before) if not key.startswith('cls_head.')}
        assert moved == {
            key
            for key in before
            if key.startswith(('backbone.', 'neck.'))
            and key.endswith(('running_mean', 'running_var', 'num_batches_tracked'))
        }
        modes = {
            type(m).__name__: m.training for part in model.encoder_parts for m in part.modules()
        }
        assert modes['BatchNorm3d'] and not modes.get('Dropout') and not modes.get('ConvGRU')

    def test_not_frozen_trains_everything(self, cfg, clips):
        model = build(cfg)
        before = copy.deepcopy(model.state_dict())
        wrapper = train_steps(model, clips)
        assert changed(model, before) >= {
            name for name, _ in model.named_parameters() if 'backward_cells' not in name
        }
        assert sum(p.numel() for g in wrapper.optimizer.param_groups for p in g['params']) == sum(
            p.numel() for p in model.parameters()
        )


def test_an_optimizer_needs_something_to_train():
    model = nn.Linear(1, 1).requires_grad_(False)
    with pytest.raises(ValueError, match='nothing to train'):
        wrap(model, dict(type='SGD', lr=1.0))


def test_groups_of_the_optimizer_keep_their_settings():
    model = build(CLIP, frozen=True)
    model.backbone.conv1.requires_grad_(True)
    wrapper = wrap(
        model, dict(type='SGD', lr=1.0), dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))
    )
    rates = {id(p): g['lr'] for g in wrapper.optimizer.param_groups for p in g['params']}
    assert rates == {
        **{id(p): 0.1 for p in model.backbone.conv1.parameters()},
        **{id(p): 1.0 for p in model.cls_head.parameters()},
    }


class TestViews:
    @pytest.mark.parametrize(('cfg', 'clips'), [(CONTEXT, 2), (CLIP, 1)], ids=['context', 'clip'])
    def test_portions_do_not_change_scores(self, cfg, clips):
        """Five and three views; the batch, its make-up and its portions play no part."""
        model = build(cfg, max_views=2).eval()
        data = batch(5 * clips, 2)
        data['inputs'][1] = data['inputs'][1][: 3 * clips]
        sizes = []
        model.backbone.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
        with torch.no_grad():
            found = model.test_step(data)
        assert max(sizes) == 2 * clips and sum(sizes) == 8 * clips
        for sample, frames, views in zip(found, data['inputs'], (5, 3)):
            inputs = (frames.float() - model.data_preprocessor.mean) / model.data_preprocessor.std
            with torch.no_grad():
                parts = [
                    model.cls_head(model.extract_feat(part[None])).softmax(1)[0]
                    for part in inputs.unflatten(0, (views, clips))
                ]
                [whole] = model.predict(inputs[None], [ActionDataSample().set_gt_label(0)])
            torch.testing.assert_close(sample.pred_score, torch.stack(parts).mean(0))
            torch.testing.assert_close(sample.pred_score, whole.pred_score)

    def test_a_score_does_not_depend_on_the_batch(self):
        model = build(CLIP).eval()
        data = batch(3, 4)
        with torch.no_grad():
            together = [s.pred_score for s in model.test_step(data)]
            alone = [
                model.test_step(dict(inputs=[x], data_samples=[ActionDataSample()]))[0].pred_score
                for x in data['inputs']
            ]
        assert all(torch.equal(a, b) for a, b in zip(together, alone))

    def test_several_views_in_training_are_samples_of_their_own(self):
        model = build(CLIP)
        data = batch(2, 2)
        inputs = model.data_preprocessor(data, training=True)['inputs']
        loss = model.loss(inputs, data['data_samples'])['loss_cls']
        scores = model.cls_head(model.features(inputs))
        torch.testing.assert_close(
            loss, nn.functional.cross_entropy(scores, torch.tensor([0, 0, 1, 1]))
        )

    def test_wrong_inputs_are_named(self):
        model = build(CONTEXT)
        with pytest.raises(ValueError, match='a multiple of model.num_blocks=2'):
            model.test_step(batch(3))
        with pytest.raises(ValueError, match='a multiple of model.num_blocks=2'):
            model.features(torch.zeros(1, 3, 3, 4, 32, 32))
        with pytest.raises(ValueError, match='max_views must be at least 1'):
            build(CONTEXT, max_views=0)


class TestHead:
    def test_widths_follow_the_encoder(self):
        assert build(CONTEXT).cls_head.fc.in_features == 16
        assert build(CLIP).cls_head.fc.in_features == 32

    def test_wrong_width_and_unknown_width(self):
        with pytest.raises(ValueError, match='set cls_head.in_channels=32, or leave it out'):
            build(CLIP, cls_head=dict(CLIP['cls_head'], in_channels=5))
        c3d = dict(type='C3D', style='pytorch')
        with pytest.raises(ValueError, match='C3D does not say .* set model.cls_head.in_channels'):
            build(CLIP, backbone=c3d)

    @pytest.mark.parametrize('count', [None, 1, 2.5])
    def test_number_of_classes(self, count):
        with pytest.raises(ValueError, match='num_classes must be a whole number of at least 2'):
            MODELS.build(dict(type='ContextHead', num_classes=count, in_channels=4))

    @pytest.mark.parametrize('batch_norm', [True, False])
    def test_non_linear_head(self, batch_norm):
        """Norm, linear layer, norm, ReLU, dropout, linear layer; by hand in evaluation mode."""
        torch.manual_seed(0)
        head = MODELS.build(
            dict(
                type='ContextHead',
                num_classes=3,
                in_channels=5,
                hidden_channels=7,
                batch_norm=batch_norm,
            )
        ).eval()
        x = torch.randn(4, 5)
        state = head.state_dict()
        assert {key.split('.')[0] for key in state} == ({'bn'} if batch_norm else set()) | {
            'hidden',
            'fc',
        }

        def norm(x):  # running statistics 0 and 1
            return x / (1 + 1e-5) ** 0.5 if batch_norm else x

        hidden = norm(norm(x) @ state['hidden.0.weight'].T + state['hidden.0.bias']).relu()
        torch.testing.assert_close(head(x), hidden @ state['fc.weight'].T + state['fc.bias'])
        assert head.fc.in_features == 7

    def test_keys_of_the_linear_head(self):
        """Those of the released classifiers' weights."""
        keys = set(build(CONTEXT).cls_head.state_dict())
        assert keys == {
            'bn.weight',
            'bn.bias',
            'bn.running_mean',
            'bn.running_var',
            'bn.num_batches_tracked',
            'fc.weight',
            'fc.bias',
        }


class TestClipEncoders:
    @pytest.mark.parametrize(
        'backbone',
        [
            dict(type='ResNet3d', depth=18, base_channels=4, pretrained=None, pretrained2d=False),
            dict(type='ResNet2d3d', depth=18, base_channels=4),
            dict(type='X3D', gamma_w=0.2, gamma_b=1.0, gamma_d=0.5),
        ],
        ids=lambda backbone: backbone['type'],
    )
    def test_any_backbone_of_clips(self, backbone):
        model = build(CLIP, backbone=backbone).eval()
        with torch.no_grad():
            inputs = torch.randn(2, 3, 3, 4, 32, 32)
            found = model.extract_feat(inputs)
            wanted = model.backbone(inputs.flatten(0, 1)).mean((2, 3, 4)).unflatten(0, (2, 3))
        torch.testing.assert_close(found, wanted.mean(1))

    def test_two_pathways_are_joined(self):
        path = dict(
            type='resnet3d',
            depth=18,
            pretrained=None,
            norm_eval=False,
            conv1_kernel=(1, 7, 7),
            conv1_stride_t=1,
            pool1_stride_t=1,
            inflate=(0, 0, 1, 1),
        )
        backbone = dict(
            type='ResNet3dSlowFast',
            pretrained=None,
            resample_rate=4,
            speed_ratio=4,
            channel_ratio=4,
            slow_pathway=dict(path, lateral=True, base_channels=8, fusion_kernel=5),
            fast_pathway=dict(path, lateral=False, base_channels=2, conv1_kernel=(5, 7, 7)),
        )
        model = build(CLIP, backbone=backbone, cls_head=dict(CLIP['cls_head'], in_channels=80))
        assert model.eval().extract_feat(torch.randn(2, 1, 3, 16, 32, 32)).shape == (2, 80)

    def test_inputs_without_a_clip_axis(self):
        with pytest.raises(ValueError, match='FormatShape'):
            build(CLIP).extract_feat(torch.zeros(2, 3, 4, 32, 32))


class TestPreprocessor:
    def test_released_test_of_memdpc_is_not_normalised(self):
        frames = batch(2)['inputs']
        outside = MODELS.build(dict(PREPROCESSOR, normalize_test=False))
        usual = MODELS.build(PREPROCESSOR)

        def run(preprocessor, training):
            return preprocessor(dict(inputs=list(frames), data_samples=None), training)['inputs']

        torch.testing.assert_close(run(outside, False), torch.stack(frames) / 255)
        assert torch.equal(run(outside, True), run(usual, True))
        assert not torch.allclose(run(usual, False), run(outside, False))
        assert not usual.state_dict()

    def test_clips_of_different_shapes_are_not_padded(self):
        frames = batch(2)['inputs']
        with pytest.raises(ValueError, match='different shapes'):
            MODELS.build(PREPROCESSOR)(dict(inputs=[frames[0], frames[1][:1]], data_samples=None))

    def test_mixup_and_cutmix_with_smoothed_labels(self):
        torch.manual_seed(0)
        augments = [
            dict(type='MixupBlending', alpha=0.8, num_classes=6),
            dict(type='CutmixBlending', alpha=1.0, num_classes=6),
        ]
        blending = dict(type='RandomBatchAugment', augments=augments, probs=[0.5, 0.5])
        given = copy.deepcopy(blending)
        preprocessor = dict(PREPROCESSOR, blending=blending)
        model = MODELS.build(
            dict(
                copy.deepcopy(CLIP),
                data_preprocessor=preprocessor,
                cls_head=dict(CLIP['cls_head'], label_smooth_eps=0.1),
            )
        )
        assert blending == given  # mmaction2 appends to the list of probabilities
        data = model.data_preprocessor(batch(1, 4), training=True)
        labels = torch.stack([s.gt_label for s in data['data_samples']])
        torch.testing.assert_close(labels.sum(1), torch.ones(4))
        assert (labels.max(1).values < 1).any()
        scores = model.cls_head(model.features(data['inputs']))
        wanted = -((0.9 * labels + 0.1 / 6) * scores.log_softmax(1)).sum(1).mean()
        torch.testing.assert_close(
            model.loss(data['inputs'], data['data_samples'])['loss_cls'], wanted
        )
        plain = model.data_preprocessor(batch(1, 4), training=False)
        assert [int(s.gt_label) for s in plain['data_samples']] == [0, 1, 2, 3]
