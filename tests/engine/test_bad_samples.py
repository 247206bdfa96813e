"""BadSampleHook, end to end: real broken files, a real Runner, worker processes, two ranks."""

import textwrap

import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.model import BaseModel
from mmengine.runner import Runner

from helpers.tiny_run import last_line, make_config, run_ranks, scalars, train
from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets.errors import TooManyBadVideosError
from mmssl_video.datasets.video_list import VideoListDataset

PIPELINE = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=10, stride=1, short='drop'),
    dict(type='DecodeFrames'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


class Nothing(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode='loss'):
        return dict(loss=self.weight.sum())


@pytest.fixture(scope='module')
def video_list(tmp_path_factory):
    """Ten videos: seven sound, one short, a text file and an empty one."""
    folder = tmp_path_factory.mktemp('videos')
    for number in range(8):
        write_video(folder / f'{number}.mp4', numbered_frames(4 if number == 7 else 12, (32, 48)))
    (folder / 'text.mp4').write_text('no video')
    (folder / 'empty.mp4').write_bytes(b'')
    names = [*(f'{number}.mp4' for number in range(8)), 'text.mp4', 'empty.mp4']
    path = folder / 'list.txt'
    path.write_text(''.join(f'{name} 0\n' for name in names))
    return path


def make_runner(video_list, work_dir, max_bad_share, num_workers, epochs=2):
    data = VideoListDataset(
        str(video_list), PIPELINE, dict(video=str(video_list.parent)), max_bad_share=max_bad_share
    )
    return Runner(
        model=Nothing(),
        work_dir=str(work_dir),
        default_scope='mmaction',
        train_dataloader=dict(
            batch_size=2,
            num_workers=num_workers,
            dataset=data,
            sampler=DefaultSampler(data),
            persistent_workers=num_workers > 0,
            collate_fn=pseudo_collate,
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        randomness=dict(seed=0),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(checkpoint=None),
        custom_hooks=[dict(type='SampleSeedHook'), dict(type='BadSampleHook')],
        experiment_name=work_dir.name,
    )


@pytest.mark.parametrize('num_workers', [0, 2])
def test_every_epoch_names_each_file_once_with_its_reason(video_list, tmp_path, num_workers):
    make_runner(video_list, tmp_path, 0.3, num_workers).train()
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    for epoch in (1, 2):
        assert text.count(f'Epoch {epoch}: 2 bad of 10 videos (20.0%), each replaced') == 1
        assert text.count(f'Epoch {epoch}: 1 of 10 videos too short (10.0%)') == 1
    for line in (
        'text.mp4: cannot be opened as a video',
        'empty.mp4: the file is empty (0 bytes)',
        '7.mp4: has 4 frames, a window of 10 frames at stride 1 needs 10',
    ):
        assert text.count(line) == 2  # once per epoch


@pytest.mark.parametrize('num_workers', [0, 1])
def test_too_many_bad_videos_stop_training(video_list, tmp_path, num_workers):
    runner = make_runner(video_list, tmp_path, 0.05, num_workers)
    with pytest.raises(
        TooManyBadVideosError, match='1 of the 10 videos .*10.0%.*5.0%.*mp4: '
    ) as error:
        runner.train()
    assert '\n' not in str(error.value)
    assert runner.epoch == 0


_TWO_RANKS = """
    import os
    import sys
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    import torch.distributed as dist
    import mmssl_video
    dist.init_process_group('gloo')
    from mmssl_video.datasets.seeding import derive_index
    from engine import test_bad_samples as tests
    def say(text):
        os.write(1, f'{text}\\n'.encode())  # in one piece, as both ranks write to one pipe
    class Runner:
        epoch = 0
        class logger:
            warning = staticmethod(lambda text: dist.get_rank() or say(text))
        class train_loop:
            class dataloader:
                dataset = None
        val_loop = train_loop
    # a seed for which the bad videos 8 and 9 are replaced by sound ones
    seed = next(seed for seed in range(99)
                if all(derive_index(10, seed, 0, index, 0, 1) < 7 for index in (8, 9)))
    from mmaction.registry import HOOKS
    hook = HOOKS.build(dict(type='BadSampleHook'))
    for report, test_mode in ((hook.after_train_epoch, False), (hook.after_val_epoch, True)):
        data = tests.VideoListDataset(sys.argv[2], tests.PIPELINE, dict(video=sys.argv[3]),
                                      seed=seed, max_bad_share=float(sys.argv[4]),
                                      test_mode=test_mode, on_error='skip')
        Runner.train_loop.dataloader.dataset = data
        data[8 + dist.get_rank()]  # each rank meets one of the two bad videos
        try:
            report(Runner)
        except tests.TooManyBadVideosError as error:
            say(f'STOP {report.__name__} {dist.get_rank()} {error}')
        dist.barrier()
"""


def test_records_of_all_ranks_are_merged(video_list, tmp_path):
    """Each rank meets 10% bad videos, both together 20%: more than the 15% allowed."""
    script = tmp_path / 'ranks.py'
    script.write_text(textwrap.dedent(_TWO_RANKS))
    tests = __file__.rsplit('engine', 1)[0]
    ranks = run_ranks(script, tests, video_list, video_list.parent, 0.15, cwd=tmp_path)
    output = ''.join(done.stdout for done in ranks)
    assert [done.returncode for done in ranks] == [0, 0], output
    assert output.count('Epoch 1: 2 bad of 10 videos') == 1
    assert output.count('Validation after epoch 0: 2 bad of 10 videos') == 1
    for report in ('after_train_epoch', 'after_val_epoch'):
        for rank in (0, 1):
            assert output.count(f'STOP {report} {rank} 2 of the 10 videos') == 1


def held_out_config(folder, **dataset):
    """Config with four sound held-out videos and an empty one."""
    extra = f"\nval_dataloader['dataset'].update({dataset!r})\n"
    path = make_config(folder, num_train=4, extra=extra)
    (folder / 'videos' / 'empty.mp4').write_bytes(b'')
    with (folder / 'val.txt').open('a') as lines:
        lines.write('empty.mp4 0\n')
    return path


def test_a_bad_held_out_video_is_named_and_training_goes_on(tmp_path):
    config = held_out_config(tmp_path, on_error='skip', max_bad_share=0.2)
    done = train(config, '--work-dir', tmp_path / 'work', cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    for epoch in (1, 2):
        head = f'Validation after epoch {epoch}: 1 bad of 5 videos (20.0%), each replaced by'
        assert done.stdout.count(head) == 1
    assert done.stdout.count('empty.mp4: the file is empty (0 bytes)') == 2  # once per epoch
    assert len([line for line in scalars(tmp_path / 'work') if 'ssl/loss' in line]) == 2


def test_too_many_bad_held_out_videos_stop_training(tmp_path):
    config = held_out_config(tmp_path, on_error='skip', max_bad_share=0.1)
    done = train(config, '--work-dir', tmp_path / 'work', cwd=tmp_path)
    assert done.returncode != 0
    assert '1 of the 5 videos' in last_line(done.stdout) and 'empty.mp4' in last_line(done.stdout)
