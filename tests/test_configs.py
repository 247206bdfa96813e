"""Every shipped config: it loads, its parts exist, its model builds and its pipeline fits."""

import ast
from pathlib import Path

import pytest
from mmaction.registry import DATASETS, MODELS, TRANSFORMS
from mmengine.config import Config

from mmssl_video.settings.checks import check_config
from mmssl_video.settings.names import config_dir

CONFIGS = sorted(config_dir().glob('*.py'))
PRETRAINING = [path for path in CONFIGS if path.stem.split('_')[0] in ('dpc', 'memdpc')]


def ids(path):
    return path.stem


def test_the_configs_users_know_are_there():
    assert {path.stem for path in PRETRAINING} >= {
        'dpc_ucf101',
        'dpc_k400',
        'dpc_r34_k400',
        'dpc_4pred4_k400',
        'dpc_parallel_ucf101',
        'dpc_vector_ucf101',
        'memdpc_ucf101',
        'memdpc_uni_ucf101',
        'memdpc_k400',
        'memdpc_demo',
        'dpc_demo',
    }
    names = {path.stem for path in CONFIGS}
    for data in ('demo', 'ucf101', 'hmdb51'):
        assert {
            f'{name}_{data}'
            for name in (
                'linear',
                'nonlinear',
                'knn',
                'retrieval',
                'retrieval_dpc',
                'retrieval_sstl',
                'retrieval_fgkvmem',
                'retrieval_fgkvmem_released',
                'linear_flow',
                'retrieval_flow',
            )
        } <= names
    assert 'linear_k400' in names
    assert {
        f'{name}_ut_interaction_folds'
        for kind in ('', 'flow_')
        for name in (
            f'linear_{kind}'[:-1],
            f'all_{kind}'[:-1],
            *(
                f'retrieval_{paper}_{kind}'[:-1]
                for paper in ('dpc', 'sstl', 'fgkvmem', 'fgkvmem_released')
            ),
        )
    } <= names


@pytest.mark.parametrize(
    'name',
    [
        'linear_demo',
        'linear_ucf101',
        'linear_hmdb51',
        'linear_k400',
        'linear_flow_demo',
        'linear_flow_ucf101',
        'linear_flow_hmdb51',
    ],
)
def test_linear_configs_judge_by_both_cached_probes(name):
    protocols = Config.fromfile(config_dir() / f'{name}.py').evaluation.protocol
    assert [protocol.type for protocol in protocols] == ['linear/cached', 'linear/cached-grid']


@pytest.mark.parametrize('path', CONFIGS, ids=ids)
def test_it_fits_on_a_screen_and_begins_with_what_it_is(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 40
    assert lines[0].startswith('# ')


@pytest.mark.parametrize('path', CONFIGS, ids=ids)
def test_every_transform_exists(path):
    cfg = Config.fromfile(path)
    loaders = [cfg.get('train_dataloader'), cfg.get('val_dataloader')]
    loaders += [cfg.get('evaluation', {}).get(role) for role in ('gallery', 'query')]
    loaders = [loader for loader in loaders if loader]
    if 'surprise' in cfg:  # its pipeline follows from the model
        assert DATASETS.get(cfg.surprise.videos.type) is not None and not loaders
        return
    assert loaders
    for loader in loaders:
        assert DATASETS.get(loader.dataset.type) is not None
        # an evaluation may leave its pipeline to the encoder's own training
        assert loader.dataset.get('pipeline') or 'evaluation' in cfg
        for step in loader.dataset.get('pipeline', []):
            TRANSFORMS.build(step)


@pytest.mark.parametrize('path', PRETRAINING, ids=ids)
def test_pretraining_configs_build(path):
    cfg = Config.fromfile(path)
    check_config(cfg)
    model = MODELS.build(cfg.model)
    window = next(
        step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'SampleWindow'
    )
    assert window.num_frames == 40
    assert window.stride == (2 if 'ut_interaction' in path.stem else 3)
    assert (model.num_blocks, model.pred_steps) == (8, 3)
    assert model.neck.bidirectional == (
        cfg.model.predictor.type == 'CompressiveMemory' and 'uni' not in path.stem
    )


def parameters(name):
    model = MODELS.build(Config.fromfile(config_dir() / name).model)
    return round(sum(p.numel() for p in model.parameters()) / 1e6, 2)


@pytest.mark.parametrize(
    'name, millions',
    [('dpc_k400.py', 14.58), ('memdpc_ucf101.py', 15.44), ('dpc_r34_k400.py', 32.95)],
)
def test_parameters_of_the_papers_networks(name, millions):
    assert parameters(name) == millions


def test_one_key_changes_the_number_of_slots():
    cfg = Config.fromfile(config_dir() / 'memdpc_ucf101.py')
    cfg.merge_from_dict({'model.predictor.num_slots': 512})
    assert len(MODELS.build(cfg.model).predictor.memory) == 512


def test_curriculum_is_one_hook():
    cfg = Config.fromfile(config_dir() / 'dpc_4pred4_k400.py')
    [hook] = [hook for hook in cfg.custom_hooks if hook['type'] == 'PredictionStepsHook']
    assert dict(hook['schedule']) == {0: 3, 150: 4}
    assert len(cfg.custom_hooks) > 1  # those of default_runtime.py are kept


def test_methods_document_names_every_config():
    """docs/methods.md maps the configs to the papers' tables; none may be missing."""
    document = config_dir().parent / 'docs' / 'methods.md'
    text = document.read_text()
    for path in PRETRAINING:
        if not path.stem.endswith('_demo'):
            assert path.name in text, path.name


@pytest.mark.parametrize(
    'path', [*CONFIGS, *sorted(Path(config_dir() / '_base_').rglob('*.py'))], ids=ids
)
def test_configs_are_plain_settings(path):
    """No functions, classes or imports: a config is data that a person can read."""
    forbidden = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Lambda)
    assert not any(isinstance(node, forbidden) for node in ast.walk(ast.parse(path.read_text())))
