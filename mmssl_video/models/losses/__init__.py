from .dense_info_nce import DenseInfoNCELoss

__all__ = ['DenseInfoNCELoss']
