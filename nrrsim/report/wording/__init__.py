"""What a report says: facts, and templates that make sentences of them.

`labels` and `columns` name things in pictures and tables. `quarterly`, `comparison`, `forecast` and
`since` take the facts out of an answer; the folders of the same names hold the sentences, which a
company may replace one by one in a folder `wording` beside its run card.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
