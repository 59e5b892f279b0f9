"""What the past says: a scenario learnt from a ledger, and how good its forecasts were."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
