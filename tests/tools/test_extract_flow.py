"""The flow tool from the command line, and a training run on what it wrote."""

import sys

import numpy as np
import pytest

from helpers.flow_videos import write_moving_video
from helpers.tiny_run import REPO, last_line, run, run_stages, scalars
from mmssl_video.commands import errors
from mmssl_video.commands.flow import main
from mmssl_video.datasets.demo_videos import make_demo_videos
from mmssl_video.datasets.transforms import open_flow

TOOL = REPO / 'tools' / 'data' / 'extract_flow.py'
SETTINGS = (
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=1',
    'model.backbone.base_channels=4',
    'model.neck.in_channels=16',
    'model.neck.hidden_channels=16',
    'model.predictor.in_channels=16',
    'model.predictor.out_channels=16',
    'model.predictor.num_slots=8',
    'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'train_dataloader.dataset.pipeline.resize.scale=(32,32)',
    'val_dataloader.dataset.pipeline.resize.scale=(-1,32)',
    'val_dataloader.dataset.pipeline.crop.crop_size=32',
)


@pytest.fixture
def extract(monkeypatch, tmp_path, capsys):
    """Run the tool in this process: exit code, and all it said."""

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        code = 0
        try:
            errors.run(lambda: main([str(each) for each in arguments]))
        except SystemExit as leave:
            code = leave.code
        return code, ''.join(capsys.readouterr())

    return call


def test_from_demo_videos_to_a_trained_model(tmp_path, extract):
    """Both formats of one set; MemDPC trains on each through the shipped config."""
    make_demo_videos(
        tmp_path / 'data/demo', classes=4, per_class=3, size=(32, 40), frames=24, test_share=0.34
    )
    lists = ['data/demo/train.txt', 'data/demo/test.txt', '--root', 'data/demo/videos']
    done = run(
        sys.executable, TOOL, *lists, '--out', 'data/demo/flow', '--workers', 2, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    assert last_line(done.stdout) == (
        'flow of 12 videos (276 flows) written to data/demo/flow, 0 were there already, 0 are bad'
    )
    assert 'videos: 12/12, ' in done.stdout
    code, text = extract(*lists, '--out', 'data/demo/flow')
    assert code == 0 and '12 were there already, 0 are bad' in text
    code, text = extract('data/demo/videos', '--out', 'jpegs', '--format', 'jpeg')
    assert code == 0, text
    assert len(list((tmp_path / 'jpegs').rglob('*.jpg'))) == 12 * 23 * 2

    config = REPO / 'configs' / 'demo' / 'memdpc_flow_demo.py'
    stages, losses = [], []
    for kind, options in (
        ('mp4', []),
        (
            'jpeg',
            [
                f'{part}_dataloader.dataset.{key}'
                for part in ('train', 'val')
                for key in ('suffix=.flow', 'data_prefix.video=jpegs')
            ],
        ),
    ):
        stages.append(
            dict(
                args=[str(config), '--work-dir', kind, '--cfg-options', *SETTINGS, *options],
                env={},
                log=str(tmp_path / f'{kind}.log'),
            )
        )
    codes = run_stages(stages, tmp_path)
    for kind, code in zip(('mp4', 'jpeg'), codes):
        assert code == 0, (tmp_path / f'{kind}.log').read_text()
        losses.append(
            [line['ssl/loss'] for line in scalars(tmp_path / kind) if 'ssl/loss' in line][-1]
        )
        assert (tmp_path / kind / 'epoch_1.pth').is_file()
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_bad_videos_are_named_and_the_exit_code_is_1(tmp_path, extract):
    write_moving_video(tmp_path / 'videos/good.mp4', 3, size=(32, 48))
    write_moving_video(tmp_path / 'videos/still.mp4', 1, size=(32, 48))
    (tmp_path / 'videos/text.mp4').write_text('no video')
    code, text = extract('videos', '--out', 'flow')
    assert code == 1 and 'Traceback' not in text
    lines = text.strip().splitlines()
    assert 'flow of 1 videos (2 flows) written to flow, 0 were there already, 2 are bad' in lines
    assert 'bad: still.mp4: has 1 frame; flow over 1 frame needs at least 2' in lines
    assert any(line.startswith('bad: text.mp4: cannot be opened as a video') for line in lines)
    assert lines[-1].startswith('error: 2 of 3 videos have no flow, all named above')
    assert len(open_flow(tmp_path / 'flow/good.mp4.flow.mp4')) == 2


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['list.txt', '--out', 'flow'], '--root is needed'),
        (['none.txt', '--root', '.', '--out', 'flow'], "no list or folder 'none.txt'"),
        (['list.txt', '--root', '.', '--out', 'flow'], 'none of the 1 videos is there'),
    ],
)
def test_wrong_command_lines_say_so_in_a_sentence(tmp_path, extract, arguments, words):
    (tmp_path / 'list.txt').write_text('a.mp4 0\n')
    code, text = extract(*arguments)
    assert code == 1 and 'Traceback' not in text
    assert last_line(text).startswith('error: ') and words in last_line(text)
    assert not (tmp_path / 'flow').exists()


def test_real_clips(tmp_path, extract, shared_data):
    clips = shared_data / 'videos/ut_interaction/videos'
    if not clips.is_dir():
        pytest.skip('the UT-Interaction clips are not there')
    names = [
        min(path.relative_to(clips).as_posix() for path in clips.glob(f'{kind}/*.mp4'))
        for kind in ('kicking', 'pushing')
    ]
    (tmp_path / 'list.txt').write_text(''.join(f'{name} 0\n' for name in names))
    code, text = extract('list.txt', '--root', clips, '--out', 'flow', '--resize', 64)
    assert code == 0, text
    for name in names:
        flow = open_flow(tmp_path / 'flow' / f'{name}.flow.mp4')
        u = np.stack([frame[..., 0] for frame in flow.get_frames(range(len(flow))).values()])
        assert min(u.shape[1:]) == 64
        moving = np.abs(u - 127.5) > 6  # more than a pixel in a frame: arms and legs, no more
        assert 0 < moving.mean() < 0.1 and moving.any(axis=(1, 2)).mean() > 0.1
