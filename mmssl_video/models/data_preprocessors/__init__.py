from .classifier_preprocessor import ClassifierPreprocessor

__all__ = ['ClassifierPreprocessor']
