from . import columns as columns
from . import comparison as comparison
from . import forecast as forecast
from . import labels as labels
from . import quarterly as quarterly
