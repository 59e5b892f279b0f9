"""One's own folder: cards, a plan and a place for reports, without a clone of this project."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
