"""What every registered method, predictor and loss keeps, a user's own included."""

import copy
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import ConfigDict

import mmssl_video.models  # noqa: F401
from helpers import minimal_parts
from helpers.minimal_parts import batch_for
from mmssl_video.models.heads import Predictor
from mmssl_video.models.losses import WeightedLoss
from mmssl_video.models.recognizers.self_supervised import (
    MemoryView,
    SampleNeeds,
    SelfSupervisedRecognizer,
    TrainingRun,
    method_of,
    upgrade_model_config,
)


# -- parts of a user's own ----------------------------------------------------------------------
@MODELS.register_module(force=True)
class ViewsAgree(SelfSupervisedRecognizer):
    """A method as a newcomer writes one: two clips of a video shall have one feature."""

    LOSSES = dict(agreement=dict(type='HuberAgreementLoss'))

    @classmethod
    def needs(cls, model):
        return SampleNeeds(num_clips=2, min_batch=2, advice='SampleWindow.num_windows=2')

    def extract_feat(self, inputs, **kwargs):
        rows = self.backbone(inputs.flatten(0, 1)).mean((2, 3, 4))
        return rows.unflatten(0, inputs.shape[:2]).mean(1)

    def compute(self, inputs, data_samples=None):
        self.check_clips(inputs, 2, self.needs({}).advice)
        first, second = (self.extract_feat(clip[:, None]) for clip in inputs.unbind(1))
        loss, stats = self.losses['agreement'](first, second.detach())
        return dict(agreement=loss), {**stats, 'feature_std': first.float().std(0).mean()}


@MODELS.register_module(force=True)
class HuberAgreementLoss(WeightedLoss):
    """A loss as a newcomer writes one."""

    def forward(self, predicted, target, **context):
        if predicted.shape != target.shape:
            raise ValueError('predictions and targets must be of one shape')
        loss = torch.nn.functional.huber_loss(predicted.float(), target.float())
        return loss, {'distance': (predicted - target).detach().float().norm(dim=-1).mean()}


@MODELS.register_module(force=True)
class LinearPredictor(Predictor):
    """A predictor as a newcomer writes one."""

    def __init__(self, in_channels, out_channels, init_cfg=None):
        super().__init__(in_channels, out_channels, init_cfg)
        self.linear = torch.nn.Linear(in_channels, out_channels)

    def predict(self, context):
        return self.linear(context)


OWN = dict(
    METHODS=dict(
        ViewsAgree=dict(
            type='ViewsAgree', backbone=dict(type='VideoResNet', depth=10, base_channels=4)
        )
    ),
    PREDICTORS=dict(LinearPredictor=dict()),
    LOSSES=dict(HuberAgreementLoss=[(5, 6), (3, 2, 6)]),
)
METHODS, PREDICTORS, LOSSES = (
    {**getattr(minimal_parts, name), **OWN[name]} for name in ('METHODS', 'PREDICTORS', 'LOSSES')
)


@pytest.mark.parametrize(
    'base, table',
    [(SelfSupervisedRecognizer, METHODS), (Predictor, PREDICTORS), (WeightedLoss, LOSSES)],
    ids=lambda value: getattr(value, '__name__', None),
)
def test_every_registered_part_is_under_contract(base, table):
    registered = {
        name
        for name, kind in MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, base)
    }
    assert registered == set(table), 'enter the part into tests/helpers/minimal_parts.py'


# -- methods ------------------------------------------------------------------------------------
def build(name, **changes):
    torch.manual_seed(0)
    return MODELS.build(copy.deepcopy({**METHODS[name], **changes})).train()


def prepared(name, folder, **changes):
    """A model as at the start of a run of four videos, and a batch of them."""
    model = build(name, **changes)
    names = ['a', 'b', 'c', 'd']
    model.before_training(TrainingRun(0, 0.0, 3, Path(folder), lambda: names))
    return model, batch_for(model.needs(METHODS[name]))


def step(model, data):
    losses = model.loss(*data)
    total, _ = model.parse_losses(losses)
    total.backward()
    return losses, total


each_method = pytest.mark.parametrize('name', METHODS)


@each_method
def test_loss_is_finite_and_reaches_every_weight(name, tmp_path):
    model, data = prepared(name, tmp_path)
    step(model, data)
    model.after_step(0.0)  # what a bank learnt is there now
    model.zero_grad()
    losses, total = step(model, data)
    terms = {key for key in losses if 'loss' in key}
    assert terms == {f'loss_{slot}' for slot in model.losses}
    assert torch.isfinite(total) and total.requires_grad
    for key in set(losses) - terms:
        value = losses[key]
        assert value.ndim == 0 and torch.isfinite(value) and not value.requires_grad, key
    assert 'feature_std' in losses
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    assert any(p.grad.abs().sum() > 0 for p in model.backbone.parameters())


@each_method
def test_held_out_videos_get_figures_and_leave_no_trace(name, tmp_path):
    model, (inputs, samples) = prepared(name, tmp_path)
    model.eval()
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        given = model.predict(inputs, samples)
        losses, _ = model.compute(inputs, samples)
    assert given is samples
    for sample in samples:
        assert all(isinstance(value, float) for value in sample.ssl_stats.values())
    weights = {slot: model.losses[slot].weight for slot in losses}
    total = sum(weights[slot] * loss.item() for slot, loss in losses.items())
    assert samples[0].ssl_stats['loss'] == pytest.approx(total, rel=1e-5)
    model.after_step(1.0)
    trained = {key for key, value in model.named_parameters() if value.requires_grad}
    assert all(
        torch.equal(value, before[key])
        for key, value in model.state_dict().items()
        if key in trained
    )


@each_method
def test_feature_is_a_vector_of_each_video(name):
    model = build(name).eval()
    inputs, _ = batch_for(model.needs(METHODS[name]))
    with torch.no_grad():
        features = model.extract_feat(inputs)
        assert torch.equal(features, model(inputs, mode='tensor'))
        torch.testing.assert_close(model.extract_feat(inputs[:1])[0], features[0])
    assert features.ndim == 2 and len(features) == len(inputs)


@each_method
def test_what_a_checkpoint_holds_brings_the_run_back(name, tmp_path):
    """Weights and state beside them: the next step is the same."""
    model, data = prepared(name, tmp_path)
    for _ in range(2):
        step(model, data)
        model.after_step(0.5)
    saved = dict(
        state_dict=copy.deepcopy(model.state_dict()), **model.save_state(tmp_path, iteration=2)
    )
    torch.save(saved, tmp_path / 'epoch_1.pth')
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    other = build(name)
    other.load_state_dict(saved['state_dict'])
    names = ['a', 'b', 'c', 'd']
    other.before_training(TrainingRun(2, 0.5, 3, tmp_path, lambda: names))
    other.load_state(saved, tmp_path)
    one, two = (step(each, data)[0] for each in (model, other))
    assert one.keys() == two.keys()
    # what is only watched (the running mean of a memory's addresses) is in no checkpoint
    for key in (key for key in one if not key.startswith('memory/')):
        torch.testing.assert_close(one[key], two[key], rtol=0, atol=0, msg=key)
    for each in (model, other):
        each.after_step(0.7)
    for key, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    model.after_training(tmp_path)


@each_method
def test_losses_are_float32_under_autocast(name, tmp_path):
    model, data = prepared(name, tmp_path)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(*data)
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert all(torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize(
    'name, slot',
    [(name, slot) for name in METHODS for slot in MODELS.get(name).LOSSES],
)
@pytest.mark.parametrize('off', [None, dict(weight=0)], ids=['None', 'weight=0'])
def test_a_term_of_weight_0_is_not_computed(name, slot, off, tmp_path):
    slots = set(MODELS.get(name).LOSSES)
    if len(slots) == 1:
        with pytest.raises(ValueError, match='weights of the losses'):
            build(name, losses={slot: off})
        return
    model, data = prepared(name, tmp_path, losses={slot: off})
    losses, _ = step(model, data)
    assert {key for key in losses if 'loss' in key} == {f'loss_{one}' for one in slots - {slot}}
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@each_method
def test_weights_are_factors(name, tmp_path):
    slot = next(iter(MODELS.get(name).LOSSES))
    plain, heavy = (
        prepared(name, tmp_path, losses={slot: dict(weight=weight)}) for weight in (1.0, 3.0)
    )
    one, three = (model.loss(*data)[f'loss_{slot}'] for model, data in (plain, heavy))
    torch.testing.assert_close(three, 3 * one)


@each_method
def test_wrong_settings_and_inputs_are_named(name, tmp_path):
    with pytest.raises(ValueError, match=f'{name} has no slot model.losses.nothing'):
        build(name, losses=dict(nothing=dict(type='CosinePredictionLoss')))
    model, (inputs, samples) = prepared(name, tmp_path)
    needs = model.needs(METHODS[name])
    if needs.num_clips or needs.num_blocks:
        assert needs.advice
        with pytest.raises(ValueError):
            model.loss(inputs[:, :-1], samples)


@each_method
def test_config_checks(name):
    """The hook that a method needs, and the smallest batch."""
    kind = method_of(METHODS[name])
    assert kind is MODELS.get(name)
    cfg = ConfigDict(
        model=METHODS[name],
        train_dataloader=dict(batch_size=8),
        custom_hooks=[dict(type='MethodHook')],
    )
    kind.check_config(cfg)
    needs = kind.needs(cfg.model)
    assert isinstance(needs, SampleNeeds)
    if needs.min_batch > 1:
        cfg.train_dataloader.batch_size = needs.min_batch - 1
        with pytest.raises(ValueError, match='batch_size must be at least'):
            kind.check_config(cfg)
        cfg.train_dataloader.batch_size = 8
    cfg.custom_hooks = []
    if kind.follows_steps(cfg.model):
        with pytest.raises(ValueError, match=r"add\s+dict\(type='MethodHook'\)"):
            kind.check_config(cfg)
    else:
        kind.check_config(cfg)


@each_method
def test_what_may_be_asked_of_a_trained_model(name, tmp_path):
    model, (inputs, _) = prepared(name, tmp_path)
    model.eval()
    levels = model.reference_levels(inputs[0], 4)
    assert all(0 < level <= 1 for level in levels.values())
    rows = torch.randn(3, getattr(model.backbone, 'out_channels', 32))
    for part in model.feature_levels().values():
        assert getattr(model, part)(rows).shape[0] == 3
    assert model.settings_at(dict(custom_hooks=[dict(type='TimerHook')]), 3) == {}
    assert upgrade_model_config(METHODS[name]) == METHODS[name], "today's settings stay"
    for question, answer in (('memory_view', MemoryView), ('predict_steps', tuple)):
        arguments = () if question == 'memory_view' else (inputs,)
        try:
            assert isinstance(getattr(model, question)(*arguments), answer)
        except ValueError as refusal:
            assert name in str(refusal) and '\n' not in str(refusal)


def test_a_figure_that_would_be_added_to_the_loss_is_refused():
    class Careless(ViewsAgree):
        def compute(self, inputs, data_samples=None):
            losses, stats = super().compute(inputs, data_samples)
            return losses, {**stats, 'loss_of_something': losses['agreement']}

    model = Careless(**{k: v for k, v in METHODS['ViewsAgree'].items() if k != 'type'})
    with pytest.raises(ValueError, match="'loss_of_something'"):
        model.loss(*batch_for(model.needs({})))


def test_a_method_without_its_mathematics_is_refused():
    class Half(SelfSupervisedRecognizer):
        def extract_feat(self, inputs, **kwargs):
            return inputs

    with pytest.raises(TypeError, match='Half .*compute'):
        Half(METHODS['ViewsAgree']['backbone'])


# -- predictors ---------------------------------------------------------------------------------
@pytest.mark.parametrize('name', PREDICTORS)
def test_predictors_map_position_by_position(name):
    torch.manual_seed(0)
    predictor = MODELS.build(dict(type=name, in_channels=6, out_channels=4, **PREDICTORS[name]))
    predictor(torch.randn(5, 6, 2, 3)).sum().backward()
    assert all(p.grad is not None for p in predictor.parameters())
    assert all(
        value.ndim == 0 and not value.requires_grad and 'loss' not in key
        for key, value in predictor.statistics().items()
    )
    predictor.eval()
    contexts = torch.randn(5, 6, 2, 3)
    maps = predictor(contexts)
    assert maps.shape == (5, 4, 2, 3)
    torch.testing.assert_close(maps[..., 1, 2], predictor(contexts[..., 1, 2]))
    if predictor.slots is None:
        with pytest.raises(ValueError, match=f'{name} has no memory slots'):
            predictor.addresses(contexts.movedim(1, -1))
    else:
        addresses = predictor.addresses(contexts.movedim(1, -1))
        assert addresses.shape == (5, 2, 3, len(predictor.slots))
        torch.testing.assert_close(addresses.sum(-1), torch.ones(5, 2, 3))


@pytest.mark.parametrize('predictor', PREDICTORS)
@pytest.mark.parametrize('name', [name for name in METHODS if 'predictor' in METHODS[name]])
def test_any_predictor_runs_in_any_method(name, predictor, tmp_path):
    widths = {key: METHODS[name]['predictor'][key] for key in ('in_channels', 'out_channels')}
    config = dict(type=predictor, **widths, **PREDICTORS[predictor])
    model, data = prepared(name, tmp_path, predictor=config)
    _, total = step(model, data)
    assert torch.isfinite(total)
    assert all(p.grad is not None for p in model.predictor.parameters())


# -- losses -------------------------------------------------------------------------------------
each_loss = pytest.mark.parametrize(
    'name, shape', [(name, shape) for name in LOSSES for shape in LOSSES[name]]
)


def pair(shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    predicted, target = (torch.randn(shape, generator=generator).to(dtype) for _ in range(2))
    return predicted.requires_grad_(), target


@each_loss
def test_losses_are_of_one_shape(name, shape):
    loss = MODELS.build(dict(type=name))
    predicted, target = pair(shape)
    value, stats = loss(predicted, target, something_else=1)
    assert value.ndim == 0 and torch.isfinite(value)
    value.backward()
    assert predicted.grad.shape == predicted.shape and predicted.grad.abs().sum() > 0
    for key, figure in stats.items():
        assert figure.ndim == 0 and not figure.requires_grad and 'loss' not in key, key
    assert 'loss' not in loss.label and not loss.state_dict()


@each_loss
def test_losses_do_not_know_their_weight(name, shape):
    light, heavy = (MODELS.build(dict(type=name, weight=weight)) for weight in (1.0, 5.0))
    assert light.weight == 1.0 and heavy.weight == 5.0
    assert torch.equal(light(*pair(shape))[0], heavy(*pair(shape))[0])
    for wrong in (-1.0, 'much', True):
        with pytest.raises(ValueError, match=f'weight of {name}'):
            MODELS.build(dict(type=name, weight=wrong))


@each_loss
def test_losses_of_16_bits_are_computed_in_32(name, shape):
    predicted, target = pair(shape, torch.bfloat16)
    loss = MODELS.build(dict(type=name))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value, _stats = loss(predicted, target)
    expected, _ = loss(predicted.detach().float(), target.float())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)


@each_loss
def test_losses_refuse_what_does_not_fit(name, shape):
    predicted, target = pair(shape)
    with pytest.raises(ValueError):
        MODELS.build(dict(type=name))(predicted, torch.cat([target, target], -1))


@pytest.mark.parametrize('name', ['CosinePredictionLoss', 'DenseInfoNCELoss', 'HuberAgreementLoss'])
@pytest.mark.parametrize('target', ['online', 'detached', 'momentum'])
def test_losses_change_places_in_dense_prediction(name, target, tmp_path):
    model, data = prepared(
        'DensePredictiveCoding', tmp_path, target=target, losses=dict(prediction=dict(type=name))
    )
    losses, total = step(model, data)
    assert torch.isfinite(total) and f'forward/{model.losses["prediction"].label}' in losses
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    levels = model.reference_levels(data[0][0], 4)
    assert bool(levels) == model.losses['prediction'].contrasts


@pytest.mark.parametrize('name', ['ClipContrastLoss', 'CosinePredictionLoss', 'HuberAgreementLoss'])
@pytest.mark.parametrize('method, slot', [('BYOL', 'prediction'), ('SSTL', 'clip')])
def test_losses_change_places_in_two_view_methods(name, method, slot, tmp_path):
    model, data = prepared(method, tmp_path, losses={slot: dict(type=name)})
    losses, total = step(model, data)
    assert torch.isfinite(total) and f'loss_{slot}' in losses
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
