"""The released FGKVMemPred models, reproduced through the converter in float64."""

import json
import re

import numpy as np
import pytest
import torch
from mmaction.registry import PARAM_SCHEDULERS, TRANSFORMS

from helpers import official_fgkvmempred as official
from helpers.parity_cases import CASES
from helpers.parity_fgkvmempred import FgkvCase
from mmssl_video.models.target_encoder import momentum_at

NAMES = sorted(path.stem for path in CASES.glob('fgkv_*.npz'))
TABLES = json.loads((CASES / 'fgkv_schedules_and_clips.json').read_text())


# Two training steps of the whole network in float64 take most of a minute.
MARKED = [
    pytest.param(name, marks=[pytest.mark.slow] if 'byol_step' in name else []) for name in NAMES
]


@pytest.mark.parametrize('name', MARKED)
def test_case(name, tmp_path):
    case = FgkvCase(CASES / f'{name}.npz', tmp_path)
    faults = case.compare(case.run())
    assert not faults, '\n'.join(faults)


def test_comparison_can_fail(tmp_path):
    """One weight changed by a thousandth must show, or the test above proves nothing."""
    case = FgkvCase(CASES / 'fgkv_memrecon_cosine_address.npz', tmp_path)
    with torch.no_grad():
        case.model.predictor.phi[3].weight[0] *= 1.001
    assert any(fault.startswith('step1/output_predict') for fault in case.compare(case.run()))


@pytest.mark.slow
def test_further_cases(shared_data, tmp_path):
    """Cases that are not part of the repository, where there are any."""
    paths = sorted(
        path
        for path in (shared_data / 'parity' / 'cases').glob('fgkv_*.npz')
        if path.stem not in NAMES
    )
    if not paths:
        pytest.skip('no further parity cases')
    faults = []
    for path in paths:
        case = FgkvCase(path, tmp_path)
        faults += [f'{path.stem}: {fault}' for fault in case.compare(case.run())]
    assert not faults, '\n'.join(faults)


@pytest.mark.parametrize('network', official.NETWORKS)
def test_layouts(network, shared_data):
    """The layouts that the tests build are those of the released models, key for key."""
    folder = shared_data / 'parity' / 'state_dict_keys'

    def stored(name):
        keys = json.loads((folder / f'state_dict_keys_fgkv_{name}.json').read_text())
        return {key: tuple(shape) for key, shape in keys.items()}

    assert official.classifier_shapes(network) == stored(f'classifier_{network}_ucf101')
    slots = 2048 if network == 'r2plus1d' else 4096
    assert official.pretraining_shapes(network, slots=slots, queue=65536, videos=9537) == stored(
        f'contrastive_{network}'
    )
    if network == 'r3d18':
        assert official.pretraining_shapes(network, 'mlp', queue=65536, videos=9537) == stored(
            'contrastive_r3d18_mlp_baseline'
        )


# Base rate, epochs, warm-up and its start of the released configs in the table.
RATES = {
    'lr/pretrain_ucf101_r3d18': (1.2, 400, 35, 1e-3),
    'lr/finetune_r3d18': (0.2, 200, 5, 1e-3),
    'lr/linear_r3d18': (0.1, 100, 5, 1e-4),
}


@pytest.mark.parametrize('name', sorted(RATES))
def test_learning_rates(name):
    """Fractional epochs are iterations of the schedule that counts them."""
    base, total, warmup, start = RATES[name]
    per_epoch = 1000
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = PARAM_SCHEDULERS.get('WarmupCosineLR').build_iter_from_epoch(
        optimizer, end=total, warmup=warmup, start_lr=start, epoch_length=per_epoch
    )
    for epoch, expected in TABLES[name]['lr'].items():
        scheduler.last_step = round(float(epoch) * per_epoch)
        assert scheduler._get_value()[0] == pytest.approx(expected, rel=1e-9), epoch


def test_momentum():
    for epoch, expected in TABLES['ema_momentum/pretrain_ucf101'].items():
        assert momentum_at(float(epoch) / 400, 0.996) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('decoder, span', [('decode_all', 'frames'), ('selective_pyav', 'steps')])
@pytest.mark.parametrize('name', sorted(TABLES['clip_windows']))
def test_clip_windows(name, decoder, span):
    found = re.fullmatch(r'frames(\d+)_fps([\d.]+)_T(\d+)_s(\d+)', name)
    total, fps, frames, stride = int(found[1]), float(found[2]), int(found[3]), int(found[4])
    expected = TABLES['clip_windows'][name][decoder]

    def sampler(mode, num_windows=1):
        return TRANSFORMS.build(
            dict(
                type='SampleTimedWindow',
                num_frames=frames,
                stride=stride,
                mode=mode,
                span=span,
                num_windows=num_windows,
            )
        )

    views = sampler('uniform', 10)
    starts, length = views.window(total, fps)
    assert length == pytest.approx(expected['clip_size'])
    np.testing.assert_allclose(
        np.stack([starts, starts + length - 1], 1), expected['test_10_views'], atol=1e-9
    )
    starts, length = sampler('center').window(total, fps)
    np.testing.assert_allclose([starts[0], starts[0] + length - 1], expected['retrieval_center'])
    video = dict(filename='a.mp4', total_frames=total, avg_fps=fps, start_index=0)
    results = views(video)
    assert results['num_clips'] == 10 and results['clip_len'] == frames
    if 'frame_index_view3' in expected:
        assert results['frame_inds'].reshape(10, -1)[3].tolist() == expected['frame_index_view3']
