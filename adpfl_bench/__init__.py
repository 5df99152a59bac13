"""adpfl-bench: federated medical image segmentation under (adaptive) differential privacy.

The public names stand in ``__init__.pyi``, with the module of each. One is imported when it is first asked for, so that
``import adpfl_bench`` loads neither torch nor Lightning.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
