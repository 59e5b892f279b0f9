from .expectation import deviation as deviation
from .expectation import expect as expect
from .law import law_of as law_of
from .simulation import simulate as simulate
