"""Installation of mmssl_video: `pip install .`, or `pip install -e .[tests]` for development.

mmcv and mmcv-lite own the same files: installing one over the other breaks both. So mmcv-lite is
asked for only where no full mmcv is installed. MMSSL_MMCV=full|lite|none forces the choice.
"""

from __future__ import annotations

import os
import shutil
import site
import sysconfig
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
MMCV = {'lite': ['mmcv-lite>=2.1.0,<2.2.0'], 'full': ['mmcv>=2.1.0,<2.2.0'], 'none': []}


def requirements(name: str) -> list[str]:
    """Lines of ``requirements/<name>.txt`` without comments."""
    lines = (
        line.split('#')[0].strip()
        for line in (HERE / 'requirements' / f'{name}.txt').read_text().splitlines()
    )
    return [line for line in lines if line]


def has_full_mmcv() -> bool:
    """Whether the environment pip installs into holds a full mmcv.

    Looked up on disk: under build isolation its packages cannot be imported.
    """
    folders = {
        sysconfig.get_path('purelib'),
        sysconfig.get_path('platlib'),
        *site.getsitepackages(),
    }
    if site.ENABLE_USER_SITE:
        folders.add(site.getusersitepackages())
    return any(any(Path(folder).glob('mmcv-[0-9]*.dist-info')) for folder in folders)


def mmcv_requirement() -> list[str]:
    choice = os.environ.get('MMSSL_MMCV') or ('full' if has_full_mmcv() else 'lite')
    if choice not in MMCV:
        raise SystemExit(f'error: MMSSL_MMCV must be full, lite or none, not {choice!r}')
    return MMCV[choice]


class BuildWithConfigs(build_py):
    """Copies configs/ into the package, so that a plain `pip install .` carries them."""

    def run(self):
        super().run()
        if not self.editable_mode:
            shutil.copytree(
                HERE / 'configs',
                Path(self.build_lib) / 'mmssl_video' / 'configs',
                ignore=shutil.ignore_patterns('__pycache__'),
                dirs_exist_ok=True,
            )


def version() -> str:
    scope: dict = {}
    exec((HERE / 'mmssl_video' / 'version.py').read_text(), scope)
    return scope['__version__']


readme = HERE / 'README.md'
tests = requirements('tests')

setup(
    name='mmssl_video',
    version=version(),
    description='Self-supervised video representation learning on the OpenMMLab video stack',
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    author='mmssl_video contributors',
    license='Apache-2.0',
    keywords='self-supervised learning, video representation, MemDPC, DPC, contrastive learning',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(9, 14)),
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    python_requires='>=3.9,<3.14',
    packages=find_packages(include=['mmssl_video', 'mmssl_video.*']),
    install_requires=requirements('runtime') + mmcv_requirement(),
    extras_require={'tests': tests, 'tensorboard': ['tensorboard'], 'tsne': ['scikit-learn']},
    cmdclass={'build_py': BuildWithConfigs},
    zip_safe=False,
)
