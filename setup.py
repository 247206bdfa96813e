"""Installation of mmssl_video: `pip install .[lite]`, to work on it `pip install -e .[lite,dev]`.

The metadata ask for neither mmcv nor mmcv-lite: they own the same files, one installed over the
other breaks both, and a wheel cannot look at the machine that it is installed on. `[lite]` brings
mmcv-lite, which is all that is needed; who has a full mmcv leaves it out.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


def requirements(name: str) -> list[str]:
    """Lines of ``requirements/<name>.txt`` without comments."""
    lines = (
        line.split('#')[0].strip()
        for line in (HERE / 'requirements' / f'{name}.txt').read_text().splitlines()
    )
    return [line for line in lines if line]


class BuildWithConfigs(build_py):
    """Copies configs/ into the package, so that a plain installation carries them."""

    def run(self):
        package = Path(self.build_lib) / 'mmssl_video'
        if not self.editable_mode:
            # build/ stays in a clone: without this, files moved since the last build came along
            shutil.rmtree(package, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            shutil.copytree(
                HERE / 'configs',
                package / 'configs',
                ignore=shutil.ignore_patterns('__pycache__'),
                dirs_exist_ok=True,
            )


def version() -> str:
    text = (HERE / 'mmssl_video' / 'version.py').read_text()
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


readme = HERE / 'README.md'

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
    package_data={'mmssl_video': ['py.typed']},
    install_requires=requirements('runtime'),
    extras_require={
        'lite': requirements('lite'),
        'tests': requirements('tests'),
        'dev': requirements('tests') + requirements('dev'),
        'tensorboard': ['tensorboard'],
        'tsne': ['scikit-learn'],
    },
    entry_points={'console_scripts': ['mmssl = mmssl_video.commands:main']},
    cmdclass={'build_py': BuildWithConfigs},
    zip_safe=False,
)
