"""Who may leave, who may grow, and how well that was told of the past: account by account."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
