"""Errors of the user: each is one clear sentence, on the last line, before any training."""

import re
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from helpers.tiny_run import last_line, make_config, run, run_stages, train
from mmssl_video.commands import errors

PIPELINE = 'train_dataloader.dataset.pipeline'
# name: (arguments of train.py; what the sentence must say)
CASES = {
    'missing config': (
        'configs/memdcp_k400.py',
        r"config 'configs/memdcp_k400\.py' does not exist: looked for it from /",
    ),
    'config that is a folder': ('videos', "config 'videos' is a directory"),
    'config with a syntax error': ('broken.py', r'broken\.py, .* is no Python: .* in line 1'),
    'config without training': ('empty.py', r'empty\.py has no train_dataloader'),
    'missing list file': (
        'tiny.py --cfg-options train_dataloader.dataset.ann_file=nowhere/train.txt',
        r'nowhere/train\.txt',
    ),
    'missing list file of the validation': (
        'tiny.py --cfg-options val_dataloader.dataset.ann_file=nowhere/val.txt',
        r'nowhere/val\.txt',
    ),
    'blocks of pipeline and model': (
        f'tiny.py --cfg-options {PIPELINE}.6.num_blocks=2',
        'train_dataloader makes 2 blocks of a clip but model.num_blocks is 4',
    ),
    'window that cannot be split': (
        f'tiny.py --cfg-options {PIPELINE}.1.num_frames=10',
        'a window of 10 frames cannot be split into 4 blocks of equal length; set '
        'SampleWindow.num_frames to a multiple of 4, such as 8$',
    ),
    'window of the validation': (
        'tiny.py --cfg-options val_dataloader.dataset.pipeline.1.num_frames=9',
        'val_dataloader.*a window of 9 frames cannot be split into 4 blocks',
    ),
    'too many prediction steps': (
        'tiny.py --cfg-options model.pred_steps=4',
        'model.pred_steps=4 must be at least 1 and below model.num_blocks=4',
    ),
    'unknown depth': ('tiny.py --cfg-options model.backbone.depth=19', 'depth.*19|19.*depth'),
    'unknown model': ('tiny.py --cfg-options model.type=NoSuchModel', 'NoSuchModel'),
    'unknown argument of a model': ('tiny.py --cfg-options model.colour=3', 'colour'),
    'unknown optimizer': (
        'tiny.py --cfg-options optim_wrapper.optimizer.type=NoSuchOptimizer',
        'NoSuchOptimizer',
    ),
    'amp with another wrapper': (
        'tiny.py --amp --cfg-options optim_wrapper.type=Own',
        "--amp cannot be used with optim_wrapper.type='Own'",
    ),
    'learning rate without a base': ('tiny.py --auto-scale-lr', 'base_batch_size'),
    'fewer videos than a batch': (
        'tiny.py --cfg-options train_dataloader.batch_size=9',
        'no batch to train on: the 8 videos of a process do not fill one of 9',
    ),
    'learning rate that is no number': (
        'tiny.py --cfg-options optim_wrapper.optimizer.lr=fast',
        r"optim_wrapper\.optimizer\.lr must be a number of at least 0, not 'fast'$",
    ),
    'step beyond the pipeline': (
        f'tiny.py --cfg-options {PIPELINE}.12.num_frames=1',
        f'--cfg-options {PIPELINE}.12.num_frames: {PIPELINE} is a list of 9 items and has no item '
        r'12 \(they count from 0\)$',
    ),
    'name of an item of a list': (
        f'tiny.py --cfg-options {PIPELINE}.stride=1',
        'list of 9 items and has no item stride',
    ),
    'number in a list': (
        'tiny.py --cfg-options model.data_preprocessor.mean.0=1',
        'an item of a list cannot be replaced; .* the whole model.data_prep',
    ),
    'name below a number': (
        'tiny.py --cfg-options model.pred_steps.x=1',
        r'--cfg-options model\.pred_steps\.x: model.pred_steps is 2, so there',
    ),
    'weights from a storage': (
        'tiny.py --cfg-options load_from=s3://bucket/a.pth',
        'checkpoint s3://bucket/a.pth is not a file .* download the file',
    ),
    'no batch size': (
        'tiny.py --cfg-options train_dataloader.batch_size=0',
        'train_dataloader.batch_size must be a whole number of at least 1, not 0',
    ),
    'no epochs': (
        'tiny.py --cfg-options train_cfg.max_epochs=0',
        'train_cfg.max_epochs must be a whole number of at least 1, not 0',
    ),
    'option without a value': (
        'tiny.py --cfg-options model.pred_steps',
        "--cfg-options takes KEY=VALUE, .* not 'model.pred_steps'",
    ),
    'option with half a bracket': (
        'tiny.py --cfg-options model.x=(1,2',
        r'--cfg-options model\.x: Imbalanced brackets',
    ),
    'option that runs code': (
        "tiny.py --cfg-options model=dict(type=open('x'))",
        '--cfg-options model is not plain data',
    ),
    'launcher that is not there': (
        'tiny.py --launcher slurm',
        '--launcher slurm needs SLURM_PROCID, .* leave --launcher out',
    ),
    'work dir that is a file': (
        'tiny.py --work-dir taken',
        r"the work dir 'taken' cannot be written to \(File exists\)",
    ),
    'work dir below a file': (
        'tiny.py --work-dir taken/below',
        r"'taken/below' cannot be written to \(Not a directory\)",
    ),
    'resume from a missing file': ('tiny.py --resume nothing.pth', r'nothing\.pth does not exist'),
    'resume from a folder': ('tiny.py --resume videos', 'videos is a directory'),
    'resume from a truncated file': ('tiny.py --resume cut.pth', r'cut\.pth is truncated'),
    'resume from a checkpoint that is gone': (
        'tiny.py --work-dir moved --resume',
        r'names /gone/epoch_7\.pth, which does not exist',
    ),
    'resume from another architecture': ('tiny.py --resume wide.pth', 'of another architecture'),
    'resume from weights only': (
        'tiny.py --resume weights.pth',
        r'weights\.pth holds weights only',
    ),
    'resume would run code': ('tiny.py --resume evil.pth', r'evil\.pth is refused'),
    'weights of another architecture': (
        'tiny.py --cfg-options load_from=wide.pth',
        r'wide\.pth is of another architecture',
    ),
    'weights of something else': (
        'tiny.py --cfg-options load_from=unrelated.pth',
        r'unrelated\.pth is of another architecture: none of its keys \(unrelated\.weight',
    ),
    'wrong stage of a curriculum': ('curriculum.py', 'model.pred_steps=4 must be'),
    'best of an unknown metric': (
        'tiny.py --cfg-options default_hooks.checkpoint.save_best=acc/top1',
        'ssl/loss',
    ),
    'monitor of an unknown metric': (
        'tiny.py --cfg-options param_scheduler.0.monitor=val_loss',
        'val_loss',
    ),
}
AFTER_AN_EPOCH = ('best of an unknown metric', 'monitor of an unknown metric')


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """``{case: (exit code, output)}``, each case in a process of its own."""
    folder = tmp_path_factory.mktemp('errors')
    tiny = make_config(folder)
    (folder / 'broken.py').write_text('model = dict(\n')
    (folder / 'empty.py').write_text("model = dict(type='DensePredictiveCoding')\n")
    (folder / 'curriculum.py').write_text(
        "_base_ = 'tiny.py'\n"
        "custom_hooks = [dict(type='PredictionStepsHook', schedule={0: 2, 50: 4})]\n"
    )
    (folder / 'taken').write_text('')
    (folder / 'moved').mkdir()
    (folder / 'moved' / 'last_checkpoint').write_text('/gone/epoch_7.pth')
    write_checkpoints(folder, tiny)
    names = list(CASES)
    stages = [dict(args=CASES[name][0].split(), env={}, log=f'{name}.log') for name in names]
    codes = run_stages(stages, folder)
    return {
        name: (code, (folder / f'{name}.log').read_text()) for name, code in zip(names, codes)
    } | {'folder': folder}


def write_checkpoints(folder, tiny):
    from mmaction.registry import MODELS

    cfg = Config.fromfile(str(tiny))
    weights = MODELS.build(cfg.model).state_dict()
    cfg.merge_from_dict(
        {
            'model.backbone.base_channels': 8,
            'model.neck.in_channels': 32,
            'model.predictor.out_channels': 32,
        }
    )
    wide = MODELS.build(cfg.model).state_dict()
    rest = dict(optimizer={}, message_hub={}, meta=dict(epoch=1, iter=2))
    torch.save(dict(state_dict=wide, **rest), folder / 'wide.pth')
    torch.save(dict(state_dict=weights), folder / 'weights.pth')
    torch.save(dict(state_dict={'unrelated.weight': torch.zeros(1)}), folder / 'unrelated.pth')
    # mmengine's resume() executes meta['config'] as Python
    rest['meta']['config'] = f'open({str(folder / "was_here")!r}, "w")'
    torch.save(dict(state_dict=weights, **rest), folder / 'evil.pth')
    whole = (folder / 'weights.pth').read_bytes()
    (folder / 'cut.pth').write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize('case', CASES)
def test_error_is_one_sentence(results, case):
    code, output = results[case]
    assert code == 1, output
    assert 'Traceback' not in output
    line = last_line(output)
    assert line.startswith('error: ')
    assert re.search(CASES[case][1], line), line
    assert ('Epoch(train)' in output) == (case in AFTER_AN_EPOCH)


def test_text_in_a_checkpoint_was_not_run(results):
    assert not (results['folder'] / 'was_here').exists()


def test_the_tool_itself_fails_within_seconds(tmp_path):
    """The line that users know, without the data."""
    start = time.time()
    done = train('configs/memdpc_k400.py', cwd=tmp_path, fresh=True)
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout
    assert re.match(r'error: .*data/kinetics400/train\.txt', last_line(done.stdout))
    assert time.time() - start < 60


def test_work_dir_without_permission():
    """In a process that gives up root's rights, if it has them: root may write everywhere."""
    with tempfile.TemporaryDirectory() as folder:  # others may enter it, unlike tmp_path
        check_permissions(Path(folder))


def check_permissions(tmp_path):
    tmp_path.chmod(0o755)
    for name, mode in (('open', 0o777), ('locked', 0o555)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    code = """
import os
from mmssl_video.results.work_dir import check_work_dir
if os.geteuid() == 0:
    os.setuid(65534)
for folder in ('open', 'open/below', 'locked', 'locked/below'):
    try:
        check_work_dir(folder)
        print('may write')
    except PermissionError as error:
        print(error)"""
    done = run('python', '-c', code, cwd=tmp_path, stderr=subprocess.PIPE)
    words = 'cannot be written to (Permission denied); give another one with --work-dir'
    assert done.stdout.splitlines() == [
        'may write',
        'may write',
        f"the work dir 'locked' {words}",
        f"the work dir 'locked/below' {words}",
    ], done.stderr


def test_a_fault_of_the_program_keeps_its_traceback(capsys):
    with pytest.raises(SystemExit) as leave:
        errors.run(lambda: 1 / 0)
    output = capsys.readouterr().err
    assert leave.value.code == 1
    assert 'Traceback' in output
    assert last_line(output) == 'error: division by zero'


def test_debug_shows_the_traceback(capsys, monkeypatch):
    def explicit():
        raise FileNotFoundError('there is no such file')

    for debug in (False, True):
        monkeypatch.setenv(errors.DEBUG, str(int(debug)))
        with pytest.raises(SystemExit):
            errors.run(explicit)
        output = capsys.readouterr().err
        assert ('Traceback' in output) == debug
        assert last_line(output) == 'error: there is no such file'


def test_error_of_a_data_worker_is_its_last_sentence():
    error = RuntimeError(
        'Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback '
        '(most recent call last):\n  File "/x/mmssl_video/datasets/a.py", line 3, '
        'in f\n    raise RuntimeError(\nRuntimeError: video a.mp4 is empty\n'
    )
    assert errors.sentence(error) == 'video a.mp4 is empty'
