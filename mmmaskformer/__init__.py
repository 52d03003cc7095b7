"""MaskFormer for MMSegmentation and MMDetection.

Importing the package is enough to use ``type='mmmaskformer.X'`` in any OpenMMLab config; in a config, say
``custom_imports = dict(imports=['mmmaskformer'])`` so that it comes before MMSegmentation or MMDetection.
"""

from . import compat

__version__ = "0.1.0"

compat.install()

__all__ = ["__version__"]
