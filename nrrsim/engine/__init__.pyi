from .expectation import deviation as deviation
from .expectation import expect as expect
from .simulation import simulate as simulate
