"""Videos that stand in no list file: a folder, some files, or arrays of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from mmssl_video.datasets.pipelines import Pipeline, build_steps
from mmssl_video.datasets.video_folder import scan_video_folder
from mmssl_video.datasets.views import View, view_after


class UnlistedVideos(Dataset):
    """Videos behind the interface of mmengine's ``BaseDataset``, in test mode.

    Args:
        infos: What is known of each: ``filename``, and ``label``, ``name`` or frames as ``array``.
        pipeline: Transforms: a list, or a dict of named steps.
        modality: ``'RGB'`` or ``'Flow'``.
    """

    def __init__(self, infos: Sequence[dict], pipeline: Pipeline, modality: str = 'RGB') -> None:
        self.infos, self.modality = infos, modality
        self.pipeline = Compose(build_steps(pipeline))
        self.view = view_after(self.pipeline.transforms, View(modality=modality))

    @classmethod
    def of_folder(
        cls, folder: str | Path, pipeline: Pipeline, modality: str = 'RGB'
    ) -> UnlistedVideos:
        """All videos of a folder, at any depth; the folders right in it are classes.

        Raises:
            FileNotFoundError, ValueError: See :func:`scan_video_folder`.
        """
        infos = [
            dict(filename=str(Path(folder) / name), name=name, label=label)
            for name, label in scan_video_folder(folder)[0]
        ]
        return cls(infos, pipeline, modality)

    @classmethod
    def of_files(
        cls, paths: Sequence[str | Path], pipeline: Pipeline, modality: str = 'RGB'
    ) -> UnlistedVideos:
        """Video files, without labels.

        Raises:
            FileNotFoundError: One is not there.
        """
        for path in paths:
            if not Path(path).is_file():
                raise FileNotFoundError(f'video {path} does not exist')
        infos = [dict(filename=str(path), name=str(path), label=-1) for path in paths]
        return cls(infos, pipeline, modality)

    @classmethod
    def of_arrays(
        cls, arrays: Sequence[np.ndarray], pipeline: Mapping[str, dict], modality: str = 'RGB'
    ) -> UnlistedVideos:
        """Frames that are there already, ``[T, H, W, 3]`` uint8 a video.

        Args:
            arrays: The videos; they are called ``array 0``, ….
            pipeline: Named steps for files, as :func:`test_pipeline` makes them: nothing is opened
                (``init``), and decoding (``decode``) is picking frames out.
            modality: ``'RGB'`` or ``'Flow'``.

        Raises:
            ValueError: An array holds no frames.
        """
        for index, array in enumerate(arrays):
            if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8 or not len(array):
                raise ValueError(
                    f'array {index} must hold frames [T, H, W, 3] in uint8 RGB, got '
                    f'{list(array.shape)} {array.dtype}'
                )
        infos = [
            dict(
                filename=f'array {index}',
                name=f'array {index}',
                label=-1,
                array=array,
                total_frames=len(array),
            )
            for index, array in enumerate(arrays)
        ]
        steps = {**pipeline, 'init': None, 'decode': dict(type='ArrayDecode')}
        return cls(infos, steps, modality)

    def __len__(self) -> int:
        return len(self.infos)

    def get_data_info(self, index: int) -> dict:
        """What the pipeline is given of a video."""
        return dict(self.infos[index], start_index=0, modality=self.modality, sample_idx=index)

    def __getitem__(self, index: int) -> dict:
        return self.pipeline(self.get_data_info(index))
