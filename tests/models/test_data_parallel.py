"""Two gloo processes train like one with the doubled batch (gathered negatives, frozen BN)."""

import textwrap

import pytest
import torch

from helpers.tiny_run import run_workers

WORKER = textwrap.dedent("""
    import sys
    import torch
    import torch.distributed as dist
    import mmssl_video
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim import OptimWrapper
    from mmaction.registry import MODELS

    rank, world, folder, predictor = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='DensePredictiveCoding',
        backbone=dict(type='ResNet2d3d', depth=18, base_channels=4, norm_eval=True),
        neck=dict(type='ConvGRU', in_channels=16, bidirectional=True, dropout=0.),
        predictor=dict(type=predictor, in_channels=16, out_channels=16),
        losses=dict(prediction=dict(type='DenseInfoNCELoss', gather=True)),
        num_blocks=4, pred_steps=2)).double()
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9))
    if world > 1:
        dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous_{predictor}',
                                rank=rank, world_size=world)
        model = MMDistributedDataParallel(model)
    losses = []
    for step in range(4):
        generator = torch.Generator().manual_seed(step)
        clips = torch.randn(4, 4, 3, 5, 32, 32, generator=generator, dtype=torch.double)
        share = clips[rank::world].contiguous()
        model.train()
        with optimizer.optim_context(model):
            out = model(share, None, mode='loss')
            loss, _ = getattr(model, 'module', model).parse_losses(out)
        optimizer.update_params(loss)
        losses.append(loss.detach())
    weights = getattr(model, 'module', model).state_dict()
    torch.save(dict(losses=torch.stack(losses), weights=weights),
               f'{folder}/{predictor}_{world}_{rank}.pt')
""")


@pytest.mark.parametrize('predictor', ['CompressiveMemory', 'MLPPredictor'])
def test_two_processes_equal_one(tmp_path, predictor):
    script = tmp_path / 'worker.py'
    script.write_text(WORKER)
    ranks = [(0, 1), (0, 2), (1, 2)]
    run_workers(script, [(*rank, tmp_path, predictor) for rank in ranks], tmp_path)
    one, *two = (
        torch.load(tmp_path / f'{predictor}_{name}.pt', weights_only=True)
        for name in ('1_0', '2_0', '2_1')
    )
    mean = (two[0]['losses'] + two[1]['losses']) / 2
    torch.testing.assert_close(mean, one['losses'], rtol=0, atol=1e-5)
    assert (two[0]['losses'] - two[1]['losses']).abs().max() > 1e-4  # the shares do differ
    for name, weight in one['weights'].items():
        torch.testing.assert_close(two[0]['weights'][name], weight, rtol=1e-6, atol=1e-9, msg=name)
        torch.testing.assert_close(two[1]['weights'][name], weight, rtol=1e-6, atol=1e-9, msg=name)
