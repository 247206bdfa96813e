"""The released DPC and MemDPC models, reproduced through the converter in float64."""

import re
from pathlib import Path

import pytest
import torch

from helpers import official_models as official
from helpers.parity_cases import CASES, Case
from helpers.tiny_run import run

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for kind in ('dpc', 'memdpc') for path in CASES.glob(f'{kind}_*.npz'))


def test_weights_follow_the_rule():
    """Check values of the rule itself: another stream would make every case fail obscurely."""
    assert official.fill('conv1.weight', (64, 3, 1, 7, 7))[0, 0, 0, 0, :3].tolist() == [
        0.02233467623591423,
        -0.3398769497871399,
        -0.04624366760253906,
    ]
    assert official.fill('mb', (1024, 256))[0, :3].tolist() == [
        1.1230740547180176,
        1.0002154111862183,
        -1.9799832105636597,
    ]
    assert official.draw_input(101, (2, 3)).tolist() == [
        [2.7068498134613037, 0.628132700920105, 0.9079694747924805],
        [0.5038257241249084, 0.6511179208755493, -0.3193180561065674],
    ]


@pytest.mark.parametrize('name', sorted(official.SHAPES))
def test_official_layouts(name):
    """The layouts that the tests build are those of the released models, key for key."""
    depth = int((re.search(r'resnet(\d+)', name) or [0, 18])[1])
    if 'convgru' in name:
        shapes = official.gru_shapes(256, 256)
    elif '2d3d' in name:
        shapes = official.backbone_shapes(depth, True)
    else:
        num_classes = 101 if '_lc_' in name else None
        shapes = official.model_shapes(name.split('_')[0], depth, num_classes)
    assert shapes == {key: tuple(shape) for key, shape in official.SHAPES[name].items()}


@pytest.mark.parametrize('name', NAMES)
def test_case(name, tmp_path):
    case = Case(CASES / f'{name}.npz', tmp_path)
    faults = case.compare(case.run())
    assert not faults, '\n'.join(faults)


def test_comparison_can_fail(tmp_path):
    """One weight changed by a thousandth must show, or the test above proves nothing."""
    case = Case(CASES / 'dpc_convgru_256.npz', tmp_path)
    with torch.no_grad():
        case.model.neck.forward_cells[0].out_gate.weight[0, 0] *= 1.001
    assert any(
        fault.startswith(('output/l2', 'output/val', 'output/std'))
        for fault in case.compare(case.run())
    )


def test_further_cases(shared_data, tmp_path):
    """Cases that are not part of the repository, where there are any."""
    paths = sorted(
        path
        for kind in ('dpc', 'memdpc')
        for path in (shared_data / 'parity' / 'cases').glob(f'{kind}_*.npz')
        if path.stem not in NAMES
    )
    if not paths:
        pytest.skip('no further parity cases')
    faults = []
    for path in paths:
        case = Case(path, tmp_path)
        faults += [f'{path.stem}: {fault}' for fault in case.compare(case.run())]
        (tmp_path / 'ours.pth').unlink()
    assert not faults, '\n'.join(faults)


def test_through_the_command(tmp_path):
    """The command writes the same file as the function."""
    case = Case(CASES / 'memdpc_lc_r18_eval.npz', tmp_path)
    written = tmp_path / 'command.pth'
    done = run(
        'python',
        ROOT / 'tools' / 'convert_checkpoint.py',
        tmp_path / 'released.pth.tar',
        written,
        '--from',
        'memdpc',
        '--to',
        'classifier',
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    name = 'ConvGRUCell_00.out_gate.bias'
    assert f'agg_b.{name} -> neck.backward_cells.0.out_gate.bias' in done.stdout
    assert f'agg_f.cell_list.0.out_gate.bias (the same tensor as agg_f.{name})' in done.stdout
    ours = torch.load(tmp_path / 'ours.pth', weights_only=True)
    theirs = torch.load(written, weights_only=True)
    assert theirs['meta']['cfg'] == ours['meta']['cfg']
    assert theirs['state_dict'].keys() == ours['state_dict'].keys() == set(case.ours.values())
    assert all(
        torch.equal(value, theirs['state_dict'][key]) for key, value in ours['state_dict'].items()
    )
